import type { RealtimeChannel, RealtimeClient } from '@supabase/realtime-js'
import { createClient as createSupabaseClient } from '@supabase/supabase-js'
import { z } from 'zod'
import type { SubscriptionEvent } from '../../machines/subscription.ts'

/** Who is told what the present channel says. */
export interface RealtimeHandlers {
  /** What happened to the subscription. */
  readonly onEvent: (event: SubscriptionEvent) => void
  /** A row of `attachments` was inserted. */
  readonly onInsert: (id: number) => void
  /** Our row of `realtime_canary` was updated. */
  readonly onCanary: (beat: number) => void
}

/** One channel on one client at a time. What an older channel still says is ignored. */
export interface RealtimeLink {
  /** Leaves the present channel, or with `whole` closes the present client, and joins anew. */
  join(whole: boolean): void
  close(): Promise<void>
}

/** A client of the project's Realtime. */
export function realtimeClient(url: string, key: string): RealtimeClient {
  return createSupabaseClient(url, key, { auth: { persistSession: false, autoRefreshToken: false } }).realtime
}

/** Each of the two tables' one column that is wanted. */
const change = z.object({
  new: z.object({ id: z.unknown().optional(), beat: z.unknown().optional() }),
  errors: z.array(z.string()).nullish(),
})
const system = z.object({ status: z.string(), message: z.string(), extension: z.string() })

/**
 * The protocol and its traps, measured with supabase/realtime 2.129.8 and realtime-js 2.119: SUBSCRIBED comes before
 * the server listens, so the `system` frame decides; `wait` asks the server to hold SUBSCRIBED back until then, which
 * that version ignores; `channel(topic)` answers an existing channel, so every join has a topic of its own; removing
 * a client's last channel closes its socket, so the new channel is joined before the old one is left.
 */
export function createRealtimeLink(
  createClient: () => RealtimeClient,
  worker: string,
  { onEvent, onInsert, onCanary }: RealtimeHandlers,
): RealtimeLink {
  let client: RealtimeClient | null = null
  let channel: RealtimeChannel | null = null
  let joins = 0

  function subscribe(on: RealtimeClient): RealtimeChannel {
    const mine = ++joins
    /** Hands over only what the present channel says. */
    const present = (handle: (payload: unknown) => void) => (payload: unknown) => {
      if (mine === joins) handle(payload)
    }
    const fresh = on.channel(`mediaferry-${worker}-${mine}`, {
      config: { postgres_changes_options: { wait: true } },
    })
    fresh
      .on(
        'postgres_changes',
        // The id is all that is needed, and a row over 1 MiB would come mutilated.
        { event: 'INSERT', schema: 'public', table: 'attachments', select: ['id'] },
        present(payload => numberIn(payload, 'id', onInsert)),
      )
      .on(
        'postgres_changes',
        { event: 'UPDATE', schema: 'public', table: 'realtime_canary', filter: `worker=eq.${worker}` },
        present(payload => numberIn(payload, 'beat', onCanary)),
      )
      .on(
        'system',
        {},
        present(payload => heardSystem(payload)),
      )
    fresh.subscribe((status, error) => {
      if (mine !== joins) return
      if (status === 'SUBSCRIBED' || status === 'CLOSED') onEvent({ type: status })
      else
        onEvent({
          type: 'DROPPED',
          message: error?.message ?? (status === 'TIMED_OUT' ? 'no answer' : 'closed'),
        })
    })
    return fresh
  }

  function heardSystem(payload: unknown): void {
    const said = system.safeParse(payload).data
    if (said === undefined) return
    if (said.status !== 'ok') onEvent({ type: 'SYSTEM_ERROR', message: said.message })
    else if (said.extension === 'postgres_changes') onEvent({ type: 'SYSTEM_OK' })
  }

  function numberIn(payload: unknown, column: 'id' | 'beat', handle: (value: number) => void): void {
    const row = change.safeParse(payload).data
    const given = row?.new[column]
    const value = typeof given === 'number' || typeof given === 'string' ? Number(given) : Number.NaN
    if (Number.isSafeInteger(value) && value > 0) handle(value)
    // "Error 401: Unauthorized": the key may join and may not read the table.
    else
      onEvent({ type: 'SYSTEM_ERROR', message: row?.errors?.join(', ') || `an event came without ${column}` })
  }

  /**
   * Leaving would wait for the server's answer, up to 25 s for a frozen one; a closed socket says as much. Takes 3 s
   * at most. realtime-js leaves a timer of 10 s behind, which a process that should end must not wait for.
   */
  async function closeClient(old: RealtimeClient): Promise<void> {
    for (const each of old.getChannels()) each.teardown()
    await old.disconnect()
  }

  return {
    join(whole) {
      const [oldClient, oldChannel] = [client, channel]
      if (whole || oldClient === null) {
        client = null
        channel = null
        joins++
        if (oldClient !== null) closeClient(oldClient).catch(() => undefined)
        client = createClient()
        channel = subscribe(client)
        return
      }
      channel = subscribe(oldClient)
      if (oldChannel !== null) oldClient.removeChannel(oldChannel).catch(() => undefined)
    },
    async close() {
      joins++
      const old = client
      client = null
      channel = null
      if (old !== null) await closeClient(old)
    },
  }
}
