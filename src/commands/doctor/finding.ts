/** One line of `mediaferry doctor`. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string
  readonly level: 'ok' | 'warning' | 'failure'
  /** What was found. */
  readonly message: string
  /** What to type or to do; doctor never does it itself. */
  readonly fix?: string
}

/** What a check makes of what it has seen: pure, so that each way of being broken is one row of a table. */
export type Verdict = Omit<Finding, 'check'>

export const ok = (message: string): Verdict => ({ level: 'ok', message })
export const warning = (message: string, fix: string): Verdict => ({ level: 'warning', message, fix })
export const failure = (message: string, fix: string): Verdict => ({ level: 'failure', message, fix })

export const AFTER_DATABASE = 'Mend what is said of the database first.'
export const NOT_ASKED = warning('not looked at: the database did not say', AFTER_DATABASE)
