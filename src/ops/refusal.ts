/** A request that is not carried out: what is wrong, and in `hint` what to do next, both for people. */
export class Refusal extends Error {
  readonly status: number
  readonly hint: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, hint: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.hint = hint
    this.headers = headers
  }
}
