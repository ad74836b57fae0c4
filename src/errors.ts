/** An error made for the person who reads it: what is wrong, and in `hint` what to do next. */
export class UserError extends Error {
  readonly hint: string | undefined

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'UserError'
    this.hint = options.hint
  }
}

const TEXT_LIMIT = 500

/**
 * Text that is safe in jsonb, in a log line and on a terminal: well-formed, without control characters
 * (PostgreSQL refuses NUL and lone surrogates in jsonb), at most `limit` code points.
 */
export function tidyText(text: string, limit = TEXT_LIMIT): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed here
  const clean = text.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, ' ')
  if (clean.length <= limit) return clean
  const points = Array.from(clean.slice(0, limit * 2))
  return points.length <= limit && clean.length <= limit * 2 ? clean : points.slice(0, limit).join('')
}

/** Removes what must never be stored or shown: bearer tokens, keys, and whole URLs (Meta's carry a signature). */
export function withoutSecrets(text: string): string {
  return text
    .replace(/\b(?:https?|wss?|postgres(?:ql)?):\/\/[^\s"'<>]+/gi, '[url]')
    .replace(/\bBearer\s+[^\s"',;]+/gi, 'Bearer [secret]')
    .replace(/\bsb_(?:secret|publishable)_[A-Za-z0-9_-]+/g, '[secret]')
    .replace(/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, '[secret]')
    .replace(/\bEAA[A-Za-z0-9]{12,}/g, '[secret]')
}

/** One line about any thrown value, with the causes that undici and fetch hide behind a general message. */
export function describeError(error: unknown): string {
  const parts: string[] = []
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 4; depth++) {
    const text = messageOf(at)
    if (text !== '' && !parts.some(part => part.includes(text))) parts.push(text)
    at = at instanceof Error ? at.cause : undefined
  }
  return tidyText(withoutSecrets(parts.join(': ')))
}

function messageOf(value: unknown): string {
  if (value instanceof AggregateError && value.message === '') return value.errors.map(messageOf).join('; ')
  if (value instanceof Error) return textOf(value.message) || value.name
  if (typeof value === 'object' && value !== null && 'message' in value) return textOf(value.message)
  return textOf(value)
}

/** Anything can be thrown, even what String() itself throws at. */
function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'a value without a text'
  }
}
