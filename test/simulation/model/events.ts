import { z } from 'zod'
import { checkList } from './arguments.ts'
import { checkViolation, notNullViolation } from './model-error.ts'
import { type SqlFunction, tell } from './session.ts'

/** What the table takes as the name of an event. */
export function checkEvent(event: string | null | undefined): string {
  if (event === null || event === undefined) throw notNullViolation('event')
  if (event === '' || [...event].length > 100) throw checkViolation('system_events_event_check')
  return event
}

const recordArgs = z.object({
  events: z.array(
    z.object({
      attachment_id: z.number().nullish(),
      worker: z.string().nullish(),
      event: z.string().nullish(),
      detail: z.record(z.string(), z.json()).nullish(),
    }),
  ),
})

export const recordEvents: SqlFunction = (session, args) => {
  checkList(args.events, 'events')
  let recorded = 0
  for (const { attachment_id: id, worker, event, detail } of recordArgs.parse(args).events) {
    // The story of a row that is gone has ended.
    if (typeof id === 'number' && session.attachments.get(id) === undefined) continue
    const of = { worker: worker ?? null, ...(typeof id === 'number' ? { attachment: id } : {}) }
    tell(session, checkEvent(event), of, detail ?? {})
    recorded++
  }
  return { recorded }
}
