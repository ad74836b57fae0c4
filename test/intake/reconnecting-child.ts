/**
 * `reconnecting-child.ts URL KEY`: a link to Realtime in a process of its own (with `--expose-gc`), which joins anew
 * as often as it is told, in each of the ways in which a daemon does, and then says what it holds.
 */
import { readdirSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { RealtimeClient } from '@supabase/realtime-js'
import { createClient } from '@supabase/supabase-js'
import { createRealtimeLink } from '../../src/intake/realtime.ts'

/** What the parent asks for: that many reconnects more, and a wait for what ends by itself. */
export interface Order {
  readonly reconnects: number
  readonly settleMs: number
}

export interface Sample {
  readonly heapMb: number
  /** What keeps the process alive, by its kind: `Timeout`, `TCPSocketWrap` … */
  readonly resources: Readonly<Record<string, number>>
  /** Open files and sockets. */
  readonly descriptors: number
  readonly channels: number
  /** On the client's socket and on the process. */
  readonly listeners: number
}

const [url = '', key = ''] = process.argv.slice(2)
let joined = Promise.withResolvers<void>()
let client: RealtimeClient | undefined
let turn = 0

const link = createRealtimeLink(
  () => {
    client = createClient(url, key, {
      auth: { persistSession: false, autoRefreshToken: false },
      // It waits for 1, 2, 5 and then 10 s by itself.
      realtime: { reconnectAfterMs: () => 10 },
    }).realtime
    return client
  },
  'worker-0123456789',
  {
    onEvent: ({ type }) => {
      if (type === 'SYSTEM_OK') joined.resolve()
    },
    onInsert: () => undefined,
    onCanary: () => undefined,
  },
)

/** A new channel, a new client, or a connection that breaks and that realtime-js mends. */
async function reconnect(): Promise<void> {
  joined = Promise.withResolvers()
  const way = turn++ % 3
  if (way === 2) process.send?.('break')
  else link.join(way === 1)
  await joined.promise
}

function sample(): Sample {
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  globalThis.gc?.()
  return {
    heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    resources,
    descriptors: readdirSync('/proc/self/fd').length,
    channels: client?.getChannels().length ?? 0,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  }
}

process.on('message', async (order: Order) => {
  for (let done = 0; done < order.reconnects; done++) await reconnect()
  await wait(order.settleMs)
  process.send?.(sample())
})
process.on('disconnect', () => process.exit(0))
link.join(true)
