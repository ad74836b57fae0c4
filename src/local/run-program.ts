import type { ChildProcess } from 'node:child_process'

export interface ProgramResult {
  /** Null when it could not be started or a signal ended it. */
  readonly code: number | null
  readonly output: string
  /** The last lines of all that it wrote, for an error message. */
  readonly lastWords: string
}

/** Waits for the end of a program whose output is piped. Never rejects. */
export async function resultOf(child: ChildProcess): Promise<ProgramResult> {
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout?.on('data', chunk => output.push(chunk))
  child.stderr?.on('data', chunk => errors.push(chunk))
  const code = await new Promise<number | null>(resolve => {
    child.once('error', error => {
      errors.push(Buffer.from(error.message))
      resolve(null)
    })
    child.once('close', resolve)
  })
  const text = Buffer.concat(output).toString('utf8')
  const all = `${text}${Buffer.concat(errors).toString('utf8')}`
  return { code, output: text, lastWords: all.trim().split('\n').slice(-15).join('\n') }
}
