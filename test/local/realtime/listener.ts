import { mock } from 'node:test'
import {
  createClient,
  type RealtimeChannel,
  type RealtimePostgresChangesFilter,
  type SupabaseClient,
} from '@supabase/supabase-js'
import { type Inbox, inbox } from './inbox.ts'
import { type RealtimeDatabase, SECRET_KEY, type TestServer } from './support.ts'

/** The real client of Supabase, and all that it tells its caller. */
export interface Listener {
  readonly client: SupabaseClient
  /** `SUBSCRIBED`, or another status with what stands behind it. */
  readonly statuses: Inbox<string>
  /** Messages of the `system` frames. */
  readonly system: Inbox<string>
  /** `INSERT a`: type and note (or beat) of each row. */
  readonly rows: Inbox<string>
  /** Sends a heartbeat and waits for its answer. */
  beat(): Promise<void>
  join(topic: string): RealtimeChannel
  /** Waits for the `system` ok frame. */
  heard(): Promise<void>
  close(): Promise<void>
}

export function listener(
  { url }: TestServer,
  database: RealtimeDatabase,
  options: {
    key?: string
    bindings?: RealtimePostgresChangesFilter<'*'>[]
  } = {},
): Listener {
  const heartbeats = inbox<string>('heartbeats')
  const client: SupabaseClient = createClient(url, options.key ?? SECRET_KEY, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: {
      reconnectAfterMs: () => 20,
      heartbeatCallback: status => heartbeats.put(status),
    },
  })
  const close = async (): Promise<void> => {
    await Promise.all(client.getChannels().map(channel => client.removeChannel(channel)))
    await withoutLingering(() => client.realtime.disconnect())
  }
  database.atEnd(close)
  const join = (topic: string): RealtimeChannel => {
    let channel = client.channel(topic)
    for (const binding of options.bindings ?? [{ event: '*', schema: 'public', table: 'attachments' }]) {
      channel = channel.on('postgres_changes', binding, change => {
        const row: Record<string, unknown> = change.new
        found.rows.put(`${change.eventType} ${row.note ?? row.beat ?? JSON.stringify(change.old)}`)
      })
    }
    channel.on('system', {}, (frame: { message: string }) => found.system.put(frame.message))
    return channel.subscribe((status, error) =>
      found.statuses.put(error ? `${status} ${error.message}` : status),
    )
  }
  const found: Listener = {
    client,
    statuses: inbox('statuses'),
    system: inbox('system frames'),
    rows: inbox('rows'),
    async beat() {
      heartbeats.clear()
      await client.realtime.sendHeartbeat()
      await heartbeats.take(status => status === 'ok')
    },
    join,
    close,
    async heard() {
      await found.system.take(message => message === 'Subscribed to PostgreSQL')
    },
  }
  return found
}

/** realtime-js 2.119 leaves a timer of 10 s behind at every disconnect, which would hold up the end of the test file. */
async function withoutLingering(disconnect: () => Promise<unknown>): Promise<void> {
  const plain = globalThis.setTimeout
  const patched = mock.method(globalThis, 'setTimeout', (work: () => void, ms: number) =>
    plain(work, ms).unref(),
  )
  const done = disconnect()
  patched.mock.restore()
  await done
}
