import { setTimeout as delay } from 'node:timers/promises'
import { describeError } from '../../errors.ts'

export interface WatchOptions<Answer> {
  readonly read: () => Promise<Answer>
  /** The whole picture, for a terminal. */
  readonly draw: (answer: Answer) => string
  /** What to add for a pipe, given what was read before; nothing when nothing has changed. */
  readonly lines: (answer: Answer, before: Answer | undefined) => readonly string[]
  readonly output: NodeJS.WritableStream
  /** For a terminal: draw the whole picture anew. Otherwise lines are added. */
  readonly redraw: boolean
  readonly everyMs: number
  readonly signal: AbortSignal
}

/** Clears what is below too: the picture before may have been longer. */
const HOME = '\u001b[H\u001b[J'

/**
 * Looks again and again until the signal: a terminal is redrawn, a pipe gets a line for each change. A question that
 * is not answered is told, and asked again.
 */
export async function watch<Answer>(options: WatchOptions<Answer>): Promise<void> {
  const { output, signal } = options
  let before: Answer | undefined
  let trouble = ''
  const show = (drawn: string, lines: readonly string[]) => {
    if (options.redraw) output.write(`${HOME}${drawn}\n`)
    else for (const line of lines) output.write(`${line}\n`)
  }
  while (!signal.aborted) {
    try {
      const answer = await options.read()
      show(options.draw(answer), options.lines(answer, before))
      before = answer
      trouble = ''
    } catch (error) {
      const said = `cannot look: ${describeError(error)}`
      show(said, said === trouble ? [] : [said])
      trouble = said
    }
    await delay(options.everyMs, undefined, { signal }).catch(() => undefined)
  }
}
