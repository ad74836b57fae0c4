import type { Wishes } from './bindings.ts'
import type { Clock } from './clock.ts'
import type { Subscriber } from './delivery.ts'
import type { Envelope, Outgoing } from './protocol.ts'
import type { Subscriptions } from './subscriptions.ts'
import {
  type Claims,
  expiredSince,
  isRefusal,
  type RealtimeKeys,
  readToken,
  refreshRefusal,
} from './tokens.ts'

/** A topic that one client joined. */
export interface Channel {
  readonly joinRef: string | null
  /** Starts to listen for the bindings, or says why that cannot be. */
  listen(wishes: Wishes): void
  /** A new access token for the joined channel. */
  refresh(token: unknown): void
  /** Ends it with a `phx_close`, after a `system` error frame when there is a message. */
  close(message?: string): void
  /** Ends it without a word. */
  drop(): void
}

export interface ChannelOptions {
  readonly topic: string
  readonly joinRef: string | null
  readonly claims: Claims
  readonly token: string | undefined
  readonly keys: RealtimeKeys
  readonly clock: Clock
  readonly subscriptions: Subscriptions
  send(frame: Outgoing): void
  /** The same for frames that differ in their payloads alone. */
  sender(envelope: Envelope): (json: string) => void
  closed(): void
}

/** Node's timers take no more than 2^31 ms, and keys of ten years are common. */
const LONGEST_CHECK_MS = 300_000

export function createChannel(options: ChannelOptions): Channel {
  const { topic, joinRef, clock, subscriptions } = options
  let { claims, token } = options
  let subscriber: Subscriber | undefined
  let cancelExpiry: () => void = () => undefined
  watchExpiry()

  function push(event: string, ref: string | null, json: string): void {
    options.send({ joinRef, ref, topic, event, json })
  }

  function system(extension: string, status: 'ok' | 'error', message: string): void {
    const channel = topic.replace(/^realtime:/, '')
    push('system', null, JSON.stringify({ message, status, extension, channel }))
  }

  function drop(): void {
    cancelExpiry()
    if (subscriber !== undefined) subscriptions.close(subscriber)
    subscriber = undefined
  }

  function close(message?: string): void {
    drop()
    if (message !== undefined) system('system', 'error', message)
    push('phx_close', joinRef, '{}')
    options.closed()
  }

  function watchExpiry(): void {
    cancelExpiry()
    const { expires } = claims
    if (expires === undefined) return
    const left = expires - clock.now()
    if (left <= 0) close(expiredSince(Math.floor(-left / 1000)))
    else cancelExpiry = clock.after(Math.min(left, LONGEST_CHECK_MS), watchExpiry)
  }

  return {
    joinRef,
    drop,
    close,
    listen(wishes) {
      if (wishes.error !== undefined) return system('postgres_changes', 'error', wishes.error)
      if (wishes.bindings.length === 0) return
      subscriber = {
        bindings: wishes.bindings,
        system: (status, message) => system('postgres_changes', status, message),
        event: options.sender({ joinRef: null, ref: null, topic, event: 'postgres_changes' }),
      }
      subscriptions.open(subscriber, claims)
    },
    refresh(next) {
      // API keys are no tokens: the real server passes over them, and over a token it has already.
      if (typeof next !== 'string' || next.startsWith('sb_') || next === token) return
      const answer = readToken(options.keys, next, clock.now())
      if (isRefusal(answer)) return close(refreshRefusal(answer))
      claims = answer
      token = next
      watchExpiry()
      if (subscriber !== undefined) subscriptions.open(subscriber, claims)
    },
  }
}
