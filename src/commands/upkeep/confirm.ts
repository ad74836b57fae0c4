import { createInterface } from 'node:readline/promises'
import { UserError } from '../../errors.ts'
import { INTERRUPTED } from '../stop-signal.ts'

/**
 * Asks once, on standard error, so that a pipe gets nothing of it; anything but y or yes is a no. Throws a UserError
 * when nobody is there to answer.
 */
export async function confirmed(question: string, yes: true | undefined): Promise<boolean> {
  if (yes === true) return true
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new UserError('This removes something for good and needs a yes.', {
      hint: 'There is no terminal to ask on: add --yes.',
    })
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    terminal.once('SIGINT', () => process.exit(INTERRUPTED))
    // The end of the input is no answer either.
    const ended = new Promise<string>(resolve => {
      terminal.once('close', () => resolve(''))
    })
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), ended])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
