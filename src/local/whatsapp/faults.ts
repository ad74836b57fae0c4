import { z } from 'zod'

/**
 * What can be made to go wrong, in the words of the control door. A rule holds for one media id or, without
 * `mediaId`, for every request of its host; `times` requests long or, without it, until it is cleared.
 *
 * On the Graph API (`on: 'graph'`), which `only` can narrow to one sort of request:
 *
 * | fault      | the answer is                                                                            |
 * |------------|------------------------------------------------------------------------------------------|
 * | `error`    | Meta's error body for `code` (and `subcode`), with the rate headers asked for            |
 * | `status`   | that HTTP status with an HTML page, as a load balancer would send it                     |
 * | `html`     | 200 with an HTML page                                                                    |
 * | `usage`    | the ordinary one, with the rate headers asked for                                        |
 * | `metadata` | the ordinary one with other declared facts: a size as text, a wrong hash, fields missing |
 *
 * On the media host (`on: 'media'`):
 *
 * | fault          | the answer is                                                                        |
 * |----------------|--------------------------------------------------------------------------------------|
 * | `status`       | a refused download: that HTTP status                                                 |
 * | `html`, `json` | 200 with an HTML page or a JSON error object in place of the file                    |
 * | `redirect`     | 302 to `location`, or over `hops` redirects to the file on the elsewhere host        |
 * | `slow`         | the file at `bytesPerSecond`                                                         |
 * | `cut`          | `afterBytes` of the file, then the connection ends                                   |
 * | `wrong_length` | the file with its last bytes missing (`by` negative) or with more at its end         |
 * | `wrong_hash`   | the file with its last byte changed                                                  |
 * | `no_length`    | the file without Content-Length (chunked)                                            |
 *
 * On either: `reset` (the connection is reset at once), `stalled` (no answer, or `afterBytes` of the file
 * and then nothing, the connection stays open) and `delay` (the answer comes `ms` later).
 *
 * The media host's bare address, where a daemon looks whether the host is up, meets those that hold for every file
 * and without an end, as far as they do not need a file.
 *
 * Of several rules the first of those that name the media id decides, then the first of the others; `usage`,
 * `metadata` and `delay` add to an answer without deciding it, so they go together with any other.
 */
const shared = {
  mediaId: z.string().optional(),
  times: z.int().positive().optional(),
}

const graph = {
  ...shared,
  on: z.literal('graph'),
  only: z.enum(['media', 'probe', 'debug_token']).optional(),
}

const media = { ...shared, on: z.literal('media') }

const usage = {
  retryAfterSeconds: z.number().nonnegative().optional(),
  /** X-App-Usage, percent. */
  appUsage: z.number().nonnegative().optional(),
  /** X-Business-Use-Case-Usage, percent. */
  businessUsage: z.number().nonnegative().optional(),
  /** `estimated_time_to_regain_access` of the business header. */
  regainAccessMinutes: z.number().nonnegative().optional(),
}

const bytes = z.int().nonnegative()
const status = z.int().min(400).max(599)
const delay = { fault: z.literal('delay'), ms: z.number().nonnegative() }

const graphRule = z.discriminatedUnion('fault', [
  z.strictObject({
    ...graph,
    fault: z.literal('error'),
    code: z.int(),
    subcode: z.int().optional(),
    /** Instead of the HTTP status that Meta documents for the code. */
    status: status.optional(),
    ...usage,
  }),
  z.strictObject({ ...graph, fault: z.literal('status'), status, ...usage }),
  z.strictObject({ ...graph, fault: z.literal('html') }),
  z.strictObject({ ...graph, fault: z.literal('reset') }),
  z.strictObject({ ...graph, fault: z.literal('stalled') }),
  z.strictObject({ ...graph, fault: z.literal('usage'), ...usage }),
  z.strictObject({
    ...graph,
    fault: z.literal('metadata'),
    fileSize: bytes.optional(),
    fileSizeAs: z.enum(['number', 'string']).optional(),
    sha256: z.string().optional(),
    mimeType: z.string().optional(),
    omit: z.array(z.enum(['file_size', 'sha256', 'mime_type', 'url'])).optional(),
  }),
  z.strictObject({ ...graph, ...delay }),
])

const mediaRule = z.discriminatedUnion('fault', [
  z.strictObject({
    ...media,
    fault: z.literal('status'),
    status,
    retryAfterSeconds: usage.retryAfterSeconds,
  }),
  z.strictObject({ ...media, fault: z.literal('html') }),
  z.strictObject({ ...media, fault: z.literal('json') }),
  z.strictObject({
    ...media,
    fault: z.literal('redirect'),
    location: z.url().optional(),
    hops: z.int().positive().optional(),
  }),
  z.strictObject({ ...media, fault: z.literal('slow'), bytesPerSecond: z.int().positive() }),
  z.strictObject({ ...media, fault: z.literal('stalled'), afterBytes: bytes.optional() }),
  z.strictObject({ ...media, fault: z.literal('cut'), afterBytes: bytes }),
  z.strictObject({ ...media, fault: z.literal('wrong_length'), by: z.int() }),
  z.strictObject({ ...media, fault: z.literal('wrong_hash') }),
  z.strictObject({ ...media, fault: z.literal('no_length') }),
  z.strictObject({ ...media, fault: z.literal('reset') }),
  z.strictObject({ ...media, ...delay }),
])

export const faultRule = z.discriminatedUnion('on', [graphRule, mediaRule])

export type GraphRule = z.infer<typeof graphRule>
export type MediaRule = z.infer<typeof mediaRule>
export type FaultRule = z.infer<typeof faultRule>
/** Sorts of request to the Graph API that a rule can be narrowed to. */
export type GraphRequest = 'media' | 'probe' | 'debug_token'
