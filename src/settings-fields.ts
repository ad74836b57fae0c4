import bytes from 'bytes'
import ms, { type StringValue } from 'ms'
import { z } from 'zod'
import { tidyText } from './errors.ts'

/**
 * The kinds of settings: each reads the text of an environment variable. A fault never quotes the text of a
 * setting that may hold a secret (keys, tokens, addresses with a password or a signature in them).
 */

/**
 * WhatsApp keeps a file for seven days, so nothing waits longer. It also keeps durations below the 24.8 days
 * after which Node's timers overflow and fire at once.
 */
const LONGEST: StringValue = '7d'

/** Supabase's limit for one standard upload is 5 GB (Supabase documentation, "Storage: File limits"). */
const LARGEST = '5GB'

/** Of a `URL`, whose hostname has `127.1`, `0x7f000001` and `2130706433` as four plain numbers, or as it was typed. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|\[::1\]|::1|127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i.test(host)

/** Milliseconds, written like `30s`, `5m` or `1h`. */
export const duration = (fallback: StringValue, least: StringValue) =>
  z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const value = isDuration(text) ? Math.round(ms(text)) : -1
      if (value >= ms(least) && value <= ms(LONGEST)) return value
      context.addIssue(
        `${quoted(text)} is not a duration from ${least} to ${LONGEST}; write it like 30s, 5m or 1h`,
      )
      return z.NEVER
    })

const quoted = (text: string): string => `"${tidyText(text, 40)}"`

const isDuration = (text: string): text is StringValue => /^\d+(\.\d+)?\s*(ms|s|m|h|d)$/.test(text)

/** Bytes, written like `100MB`; 1 MB is 2^20 bytes. */
export const size = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const value = /^\d+(\.\d+)?\s*(b|kb|mb|gb)$/i.test(text) ? (bytes.parse(text) ?? 0) : 0
      if (value > 0 && value <= (bytes.parse(LARGEST) ?? 0)) return value
      context.addIssue(
        `${quoted(text)} is not a size up to ${LARGEST}; write it like 100MB (1 MB is 2^20 bytes)`,
      )
      return z.NEVER
    })

export const whole = (fallback: number, least: number, most: number) =>
  z
    .string()
    .default(String(fallback))
    .transform((text, context) => {
      if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text)
      context.addIssue(`${quoted(text)} is not a whole number from ${least} to ${most}`)
      return z.NEVER
    })

/** Comma-separated, at least one. */
export const list = z
  .string()
  .transform(text =>
    text
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== ''),
  )
  .refine(parts => parts.length > 0, 'holds nothing but commas')
  .readonly()

/** Host names; `*.example.com` stands for every name below it. Never a bare `*`: the token goes to these. */
export const hostList = list.refine(
  hosts => hosts.every(host => /^(\*\.[a-z0-9-]+\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(host)),
  'must hold host names, without https:// or a port, like lookaside.fbsbx.com or *.fbsbx.com',
)

/** What can stand in an HTTP header: a key or a token with anything else would fail at the first request. */
export const key = z.string().regex(/^[\x21-\x7e]+$/, 'holds a space or a character that no key has')

/** An https address, http to this machine alone: keys and tokens travel there. */
export const address = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
  if (url !== undefined && safe && url.username === '' && url.password === '') return text
  context.addIssue('must be an https:// address without a password (http:// only to this machine itself)')
  return z.NEVER
})

/** An address to which paths are appended: without a slash at its end. */
export const serviceAddress = address
  .refine(text => !/[?#]/.test(text), 'must be an address without ? and #: paths are appended to it')
  .transform(text => text.replace(/\/+$/, ''))
