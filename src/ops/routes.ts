import { z } from 'zod'
import {
  activityShape,
  failuresShape,
  listQuery,
  listShape,
  openedShape,
  pausedShape,
  rejectedQuery,
  rejectedShape,
  retriedCountShape,
  retriedIdsShape,
  type SummaryAnswer,
  storable,
  summaryShape,
} from '../api-shapes.ts'
import { fileAnswer, opened, type Story } from './attachment-answers.ts'
import { failureAnswer } from './failure-answer.ts'
import type { Live } from './live.ts'
import { Refusal } from './refusal.ts'
import type { OpsSources } from './sources.ts'

export interface Route {
  readonly method: 'GET' | 'POST'
  /** As OpenAPI writes it; `{id}` is a whole number. */
  readonly path: string
  readonly summary: string
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** What 200 answers; a text for what is no JSON. Undefined: it never answers 200. */
  readonly answer?: z.ZodType | 'text/event-stream'
  /** Other answers than 200, and than the errors of every route. */
  readonly also?: Readonly<Record<number, string>>
  handle(asked: RouteInput): Promise<unknown>
}

export interface RouteInput {
  /** Only where the path has `{id}`. */
  readonly id: number
  readonly query: URLSearchParams
  /** JSON, not checked yet; undefined without one. */
  readonly body: unknown
}

export interface RoutesOptions {
  readonly sources: OpsSources
  readonly summary: () => Promise<SummaryAnswer>
  /** The numbers of the summary have just been changed. */
  readonly changed: () => void
  readonly live: Live
}

/** Who an operator's change is told as having come from. */
const BY = 'dashboard'

const retryBody = z.object({ code: storable.min(1).max(100) }).strict()
const pauseBody = z.object({ reason: storable.trim().max(500).nullish() }).strict()
const noBody = z.object({}).strict()
const fileQuery = z.object({ download: z.enum(['0', '1']).optional() })

/** Every route of `/api`, in the order of the documentation made of them. */
export function apiRoutes({ sources, summary, changed, live }: RoutesOptions): readonly Route[] {
  const { database } = sources
  const activity = shortly(() => database.activity())
  const failures = shortly(() => database.failures())

  async function storyOf(id: number): Promise<Story> {
    const found = await database.story(id)
    if (found !== null) return found
    throw new Refusal(404, `There is no attachment ${id}.`, 'Look for it in the list of attachments.')
  }

  async function setPaused(paused: boolean, reason: string | null) {
    const now = await database.setPaused(paused, BY, reason)
    changed()
    return { paused: now }
  }

  async function retryAll(code: string): Promise<number> {
    let retried = 0
    for (;;) {
      const page = await database.retry(BY, { code })
      retried += page.length
      if (page.length < RETRIED_AT_ONCE) return retried
    }
  }

  return [
    {
      method: 'GET',
      path: '/api/summary',
      summary: 'The state of everything: this daemon now, and the work of all daemons.',
      answer: summaryShape,
      handle: summary,
    },
    {
      method: 'GET',
      path: '/api/live',
      summary: 'The summary as server-sent events `summary`: at once, and when it has changed.',
      answer: 'text/event-stream',
      handle: async () => {
        const stream = live.listen()
        if (stream !== null) return new Response(stream, { headers: EVENT_STREAM })
        throw new Refusal(503, 'Too many pages are listening.', 'Close some, or ask /api/summary.')
      },
    },
    {
      method: 'GET',
      path: '/api/activity',
      summary: 'The last 60 minutes of all daemons, oldest first.',
      answer: activityShape,
      handle: activity,
    },
    {
      method: 'GET',
      path: '/api/attachments',
      summary: 'Attachments, newest first, filtered, a page at a time.',
      query: listQuery,
      answer: listShape,
      handle: async ({ query }) => {
        const asked = queryOf(listQuery, query)
        const { rows, next_before, scanned, people_cut } = await database.list(asked)
        const unfinished = next_before !== null && rows.length < asked.limit
        const notes = [
          ...(unfinished
            ? [`Looked through ${scanned.toLocaleString('en')} files; older ones come next.`]
            : []),
          ...(people_cut ? ['More people match; only the newest of them were looked at.'] : []),
        ]
        return { rows, next_before, note: notes.length === 0 ? null : notes.join(' ') }
      },
    },
    {
      method: 'GET',
      path: '/api/attachments/{id}',
      summary: 'One attachment, its story, and why it failed.',
      answer: openedShape,
      handle: async ({ id }) => opened(await storyOf(id)),
    },
    {
      method: 'GET',
      path: '/api/attachments/{id}/file',
      summary: 'Sends on to a signed URL of the file, good for a minute.',
      query: fileQuery,
      also: { 302: 'To the file in Storage.', 409: 'It is not stored yet.' },
      handle: async ({ id, query }) => {
        const wanted = queryOf(fileQuery, query).download === '1'
        return fileAnswer((await storyOf(id)).attachment, wanted, sources.signFile)
      },
    },
    {
      method: 'GET',
      path: '/api/failures',
      summary: 'FAILED attachments by error code, with what each means and what to do.',
      answer: failuresShape,
      handle: async () => ({
        codes: (await failures()).map(({ code, count }) => failureAnswer(code, count)),
      }),
    },
    {
      method: 'GET',
      path: '/api/rejected',
      summary: 'Payloads that could not be taken in, newest first, without their bytes.',
      query: rejectedQuery,
      answer: rejectedShape,
      handle: ({ query }) => database.rejected(queryOf(rejectedQuery, query).before),
    },
    {
      method: 'POST',
      path: '/api/attachments/{id}/retry',
      summary: 'Tries one FAILED attachment again, with all its attempts.',
      body: noBody,
      answer: retriedIdsShape,
      handle: async ({ id }) => {
        const retried = await database.retry(BY, { ids: [id] })
        changed()
        return { retried }
      },
    },
    {
      method: 'POST',
      path: '/api/retry',
      summary: 'Tries all attachments again that FAILED with that code.',
      body: retryBody,
      answer: retriedCountShape,
      handle: async ({ body }) => {
        const retried = await retryAll(bodyOf(retryBody, body).code)
        failures.expire()
        changed()
        return { retried }
      },
    },
    {
      method: 'POST',
      path: '/api/pause',
      summary: 'No daemon claims anything until it is resumed; what is under way is finished.',
      body: pauseBody,
      answer: pausedShape,
      handle: ({ body }) => setPaused(true, bodyOf(pauseBody, body).reason || null),
    },
    {
      method: 'POST',
      path: '/api/resume',
      summary: 'The daemons go on.',
      body: noBody,
      answer: pausedShape,
      handle: () => setPaused(false, null),
    },
  ]
}

const RETRIED_AT_ONCE = 500

const EVENT_STREAM = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // nginx would hold the events back.
  'x-accel-buffering': 'no',
}

function queryOf<Shape extends z.ZodType>(shape: Shape, query: URLSearchParams): z.output<Shape> {
  // An empty field of a form filters nothing.
  const given = Object.fromEntries([...query].filter(([, value]) => value !== ''))
  return checked(shape, given)
}

const bodyOf = <Shape extends z.ZodType>(shape: Shape, body: unknown): z.output<Shape> =>
  checked(shape, body ?? {})

function checked<Shape extends z.ZodType>(shape: Shape, value: unknown): z.output<Shape> {
  const read = shape.safeParse(value)
  if (read.success) return read.data
  const [fault] = read.error.issues
  const name = fault?.path.join('.') || 'The request'
  throw new Refusal(400, `${name}: ${fault?.message}`, 'GET /api/openapi.json says what is expected.')
}

/** Many pages that look at once are one question to the database every few seconds. */
function shortly<T>(ask: () => Promise<T>): (() => Promise<T>) & { expire(): void } {
  let until = 0
  let answer: Promise<T> | undefined
  const get = () => {
    if (answer === undefined || performance.now() >= until) {
      until = performance.now() + SHORTLY_MS
      answer = ask()
      answer.catch(() => {
        until = 0
      })
    }
    return answer
  }
  return Object.assign(get, {
    expire: () => {
      until = 0
    },
  })
}

const SHORTLY_MS = 3000
