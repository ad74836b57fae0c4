/**
 * The frames of Supabase Realtime (Phoenix channels), in both serializations: `vsn=2.0.0` is the array
 * `[join_ref, ref, topic, event, payload]`, `vsn=1.0.0` the object `{topic, event, payload, ref}`, whose
 * answers carry no join_ref. Measured against supabase/realtime 2.129.8.
 */
export type Vsn = '1.0.0' | '2.0.0'

/** A frame that a client sent. */
export interface Incoming {
  readonly joinRef: string | null
  readonly ref: string | null
  readonly topic: string
  readonly event: string
  readonly payload: unknown
}

/** All of a frame but its payload. */
export interface Envelope {
  readonly joinRef: string | null
  readonly ref: string | null
  readonly topic: string
  readonly event: string
}

/** A frame for a client. The payload is JSON text already: bare numbers past 2^53 survive in text only. */
export interface Outgoing extends Envelope {
  readonly json: string
}

/** The serialization a client asked for; without a wish it is the old one; undefined for an unknown one. */
export function serialization(wish: string | null): Vsn | undefined {
  if (wish === null || wish === '1.0.0') return '1.0.0'
  return wish === '2.0.0' ? '2.0.0' : undefined
}

/** Undefined for what is not a frame: the real server says nothing to that. */
export function decode(vsn: Vsn, text: string): Incoming | undefined {
  const value = parseJson(text)
  const parts = vsn === '2.0.0' ? fromArray(value) : value
  if (!isObject(parts)) return undefined
  const { topic, event } = parts
  if (typeof topic !== 'string' || typeof event !== 'string') return undefined
  return {
    topic,
    event,
    payload: parts.payload,
    ref: textOrNull(parts.ref),
    joinRef: textOrNull(parts.join_ref),
  }
}

export function encode(vsn: Vsn, frame: Outgoing): string {
  const [before, after] = around(vsn, frame)
  return before + frame.json + after
}

/** What stands before and behind the payload: the same for all events of a channel. */
export function around(vsn: Vsn, envelope: Envelope): readonly [before: string, after: string] {
  const { joinRef } = envelope
  const [ref, topic, event] = [envelope.ref, envelope.topic, envelope.event].map(part => JSON.stringify(part))
  return vsn === '2.0.0'
    ? [`[${JSON.stringify(joinRef)},${ref},${topic},${event},`, ']']
    : [`{"ref":${ref},"event":${event},"topic":${topic},"payload":`, '}']
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fromArray(value: unknown): unknown {
  if (!Array.isArray(value) || value.length !== 5) return undefined
  const [join_ref, ref, topic, event, payload] = value
  return { join_ref, ref, topic, event, payload }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
