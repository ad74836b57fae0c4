import { type DestinationStream, type LogFn, type Logger, pino } from 'pino'
import { describeError, UserError, withoutSecrets } from './errors.ts'

export type Log = Logger

/** The keys under which a value may never reach a log, wherever they stand one or two levels deep. */
const SECRET_KEYS = [
  'authorization',
  'apikey',
  'token',
  'accessToken',
  'access_token',
  'appSecret',
  'secretKey',
  'verifyToken',
  'url',
]

/**
 * The program's log: JSON lines on standard output, ISO times. Errors are written as one line without
 * secrets; the stack goes along at level debug and below.
 */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_KEYS.flatMap(key => [key, `*.${key}`]), censor: '[secret]' },
    serializers: { err: (error: unknown) => errorForLog(error, level) },
    hooks: { logMethod: describeBareErrors },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** An error logged without a text would have its own message as the text, with whatever URL stands in it. */
function describeBareErrors(this: Logger, inputs: Parameters<LogFn>, method: LogFn): void {
  const [first, text] = inputs
  const error = first instanceof Error ? first : propertyOf(first, 'err')
  if (text !== undefined || error === undefined) method.apply(this, inputs)
  else method.call(this, first instanceof Error ? { err: first } : first, describeError(error))
}

const propertyOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined

function errorForLog(error: unknown, level: string) {
  const withStack = (level === 'debug' || level === 'trace') && error instanceof Error && error.stack
  return {
    message: describeError(error),
    ...(error instanceof UserError && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(withStack ? { stack: withoutSecrets(String(error.stack)) } : {}),
  }
}
