import { WebSocket } from 'ws'
import { type Inbox, inbox } from './inbox.ts'

export interface RawClient {
  readonly socket: WebSocket
  /** Frames as they came. */
  readonly frames: Inbox<string>
  readonly closed: Promise<number>
  send(frame: unknown): void
  /** Joins and waits for the `system` frame. */
  listen(topic: string, bindings: object[], token?: string): Promise<void>
  /** Leaves what `listen` joined, and waits until the server has closed it. */
  leave(topic: string): Promise<void>
  /** Sends a heartbeat and waits for its answer, after all that was on its way before. */
  beat(): Promise<void>
  /** Notes of the rows that came, oldest first; forgets them. */
  notes(): string[]
}

export function rawClient(url: string): RawClient {
  const socket = new WebSocket(url.replace(/^http/, 'ws'))
  const frames = inbox<string>('frames')
  socket.on('message', data => frames.put(String(data)))
  const closed = new Promise<number>(resolve => socket.once('close', resolve))
  const joins = new Map<string, string>()
  let ref = 1000
  const send = (frame: unknown): void => socket.send(JSON.stringify(frame))
  return {
    socket,
    frames,
    closed,
    send,
    async listen(topic, bindings, token) {
      const payload = {
        config: { postgres_changes: bindings },
        ...(token === undefined ? {} : { access_token: token }),
      }
      const join = String(ref++)
      joins.set(topic, join)
      send([join, join, `realtime:${topic}`, 'phx_join', payload])
      await frames.take(text => text.startsWith(`["${join}","${join}"`) && text.includes('"status":"ok"'))
      await frames.take(
        text => text.startsWith(`["${join}",null`) && text.includes('Subscribed to PostgreSQL'),
      )
    },
    async leave(topic) {
      const join = joins.get(topic)
      send([join, String(ref++), `realtime:${topic}`, 'phx_leave', {}])
      await frames.take(text => text === `["${join}","${join}","realtime:${topic}","phx_close",{}]`)
    },
    async beat() {
      const mine = String(ref++)
      send([null, mine, 'phoenix', 'heartbeat', {}])
      await frames.take(text => text.startsWith(`[null,"${mine}","phoenix"`))
    },
    notes() {
      const found: string[] = []
      for (const text of frames.items) {
        const frame = JSON.parse(text)
        if (frame[3] === 'postgres_changes') found.push(frame[4].data.record.note)
      }
      return found
    },
  }
}
