import { z } from 'zod'
import {
  type ActivityAnswer,
  activityShape,
  eventShape,
  type FullRow,
  fullRowShape,
  type ListQuery,
  type Pause,
  type RejectedAnswer,
  type Row,
  rejectedShape,
  rowShape,
  type StoryEvent,
} from '../api-shapes.ts'
import { retryAnswer, type Summary, summaryAnswer } from './answers.ts'
import { type Client, type DatabaseOptions, openClient } from './client.ts'

/** What the dashboard asks. Every call rejects with a DatabaseError and with nothing else. */
export interface DashboardCalls {
  summary(): Promise<Summary>
  list(query: ListQuery): Promise<ListAnswer>
  /** Null for an id that no attachment has. */
  story(id: number): Promise<{ readonly attachment: FullRow; readonly events: readonly StoryEvent[] } | null>
  activity(): Promise<ActivityAnswer>
  /** FAILED by error code, most first. */
  failures(): Promise<readonly { readonly code: string; readonly count: number }[]>
  rejected(before: number | undefined): Promise<RejectedAnswer>
  /** At most 500 a call; `by` is who asks for it. */
  retry(
    by: string,
    chosen: { readonly ids: readonly number[] } | { readonly code: string },
  ): Promise<number[]>
  setPaused(paused: boolean, by: string, reason: string | null): Promise<Pause | null>
  /** Calls that are still under way reject. */
  close(): Promise<void>
}

export interface ListAnswer {
  readonly rows: readonly Row[]
  readonly next_before: number | null
  /** Rows that were looked at. */
  readonly scanned: number
  /** More people match than were looked at. */
  readonly people_cut: boolean
}

const listAnswer = z.object({
  rows: z.array(rowShape),
  next_before: z.number().nullable(),
  scanned: z.number(),
  people_cut: z.boolean(),
})

const storyAnswer = z.object({ attachment: fullRowShape.nullable(), events: z.array(eventShape) })

const failuresAnswer = z.object({ codes: z.array(z.object({ code: z.string(), count: z.number() })) })

const pauseAnswer = z.object({
  paused: z.boolean(),
  changed_by: z.string().nullable(),
  reason: z.string().nullable(),
  changed_at: z.string(),
})

/** Opens a client of its own: what somebody looks at waits for none of the daemon's calls, nor they for it. */
export function openDashboard(
  options: DatabaseOptions,
  { call, close }: Pick<Client, 'call' | 'close'> = openClient(options),
): DashboardCalls {
  return {
    summary: () => call('pipeline_summary', {}, summaryAnswer),
    list: ({ status, kind, lead, q, error, text, before, limit }) =>
      call(
        'list_attachments',
        {
          max: limit,
          ...(status === undefined ? {} : { status }),
          ...(kind === undefined ? {} : { kind }),
          ...(lead === undefined ? {} : { lead_id: lead }),
          ...(q === undefined ? {} : { sender: q }),
          ...(error === undefined ? {} : { code: error }),
          ...(text === undefined ? {} : { containing: text }),
          ...(before === undefined ? {} : { before }),
        },
        listAnswer,
      ),
    story: async id => {
      const { attachment, events } = await call('attachment_story', { id }, storyAnswer)
      return attachment === null ? null : { attachment, events }
    },
    activity: () => call('upload_activity', {}, activityShape),
    failures: async () => (await call('failure_counts', {}, failuresAnswer)).codes,
    rejected: before => call('list_rejected', before === undefined ? {} : { before }, rejectedShape),
    retry: async (by, chosen) => {
      const rows = 'ids' in chosen ? { ids: [...chosen.ids] } : { code: chosen.code }
      return (await call('retry_by_operator', { changed_by: by, ...rows }, retryAnswer)).retried
    },
    setPaused: async (paused, by, reason) => {
      const why = reason === null ? {} : { reason }
      const control = await call('set_pipeline_paused', { paused, changed_by: by, ...why }, pauseAnswer)
      const { paused: isPaused, ...rest } = control
      return isPaused ? rest : null
    },
    close,
  }
}
