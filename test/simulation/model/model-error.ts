/** What PostgreSQL would refuse a statement with. The model's texts are its own; the SQLSTATE is PostgreSQL's. */
export class ModelError extends Error {
  readonly sqlstate: string

  constructor(sqlstate: string, message: string) {
    super(message)
    this.name = 'ModelError'
    this.sqlstate = sqlstate
  }
}

export const invalidParameter = (message: string): ModelError => new ModelError('22023', message)

export const checkViolation = (constraint: string): ModelError =>
  new ModelError('23514', `new row violates check constraint "${constraint}"`)

export const notNullViolation = (column: string): ModelError =>
  new ModelError('23502', `null value in column "${column}" violates not-null constraint`)

/** Nothing here waits: where PostgreSQL would wait for another transaction, the model says so, like `lock_timeout`. */
export const lockNotAvailable = (what: string): ModelError =>
  new ModelError('55P03', `${what} is locked by another open transaction`)
