import { randomUUID } from 'node:crypto'
import type { DatabaseOptions } from '../../database/client.ts'
import type { Database } from '../../database/database.ts'
import { describeError } from '../../errors.ts'
import { createRealtimeLink, realtimeClient } from '../../intake/realtime.ts'
import { VERSION } from '../../version.ts'
import { DOCTOR } from './daemons.ts'
import { ok, type Verdict, warning } from './finding.ts'

/** What became of a row that was changed in order to be announced. */
export type Heard =
  | { readonly heard: true; readonly afterMs: number }
  | { readonly heard: false; readonly message: string }

export function realtimeVerdict(result: Heard): Verdict {
  return result.heard
    ? ok(`a row of our own came back after ${result.afterMs} ms`)
    : warning(
        `Realtime is deaf: ${result.message}. Files arrive all the same, by asking every second.`,
        'Is Realtime switched on for the project, and not over its limits? Dashboard, Realtime, Settings.',
      )
}

/**
 * Subscribes as a daemon does, changes a row of its own and waits for the event. The row goes again; it says
 * `stopped`, so that nobody takes it for a daemon meanwhile.
 */
export async function hearCanary(
  project: DatabaseOptions,
  database: Pick<Database, 'beat'>,
  removeRow: (worker: string) => Promise<void>,
  timeouts: { readonly joinMs: number; readonly canaryMs: number },
): Promise<Heard> {
  const worker = `${DOCTOR}${randomUUID()}`
  const beat = async () => (await database.beat(worker, 'stopped', {}, VERSION)).beat
  // Only changes of a row are announced to its daemon: the first beat makes it.
  await beat()
  let sentAt = 0
  let answer = (_: Heard): void => undefined
  const result = new Promise<Heard>(resolve => {
    answer = resolve
  })
  const link = createRealtimeLink(() => realtimeClient(project.url, project.key), worker, {
    onEvent: event => {
      if (event.type === 'SYSTEM_OK') {
        sentAt = performance.now()
        clearTimeout(late)
        late = within(timeouts.canaryMs, 'no event came')
        beat().catch(error => answer({ heard: false, message: describeError(error) }))
      } else if (event.type === 'SYSTEM_ERROR' || event.type === 'DROPPED') {
        answer({ heard: false, message: event.message })
      } else if (event.type === 'CLOSED')
        answer({ heard: false, message: 'the server ended the subscription' })
    },
    onInsert: () => undefined,
    onCanary: () => answer({ heard: true, afterMs: Math.round(performance.now() - sentAt) }),
  })
  const within = (milliseconds: number, what: string) =>
    setTimeout(
      () => answer({ heard: false, message: `${what} within ${milliseconds / 1000} s` }),
      milliseconds,
    )
  let late = within(timeouts.joinMs, 'the server did not answer')
  try {
    link.join(true)
    return await result
  } finally {
    clearTimeout(late)
    await Promise.all([link.close(), removeRow(worker)])
  }
}
