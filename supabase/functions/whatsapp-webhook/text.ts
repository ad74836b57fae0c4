/** Longest text kept of an error, in code points, as the `error_message` column has it. */
const ERROR_LIMIT = 500

/**
 * Text that jsonb accepts: it refuses NUL and lone surrogates. The text is mended, never refused: NUL goes,
 * a lone surrogate becomes U+FFFD. Null for what is not text or has nothing left.
 */
export function mendText(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const mended = value.toWellFormed().replaceAll('\0', '')
  return mended === '' ? null : mended
}

export function mendErrorText(value: unknown): string | null {
  const text = mendText(value)
  return text === null
    ? null
    : Array.from(text.slice(0, ERROR_LIMIT * 2))
        .slice(0, ERROR_LIMIT)
        .join('')
        .toWellFormed()
}

/**
 * An identifier exactly as it was sent, or null when it is not one: printable ASCII, at most `limit`
 * characters. Identifiers are never mended: two different broken ones could become the same, and the second
 * message would pass for a duplicate.
 */
export function identifier(value: unknown, limit = 512): string | null {
  return typeof value === 'string' && value.length <= limit && /^[\x21-\x7e]+$/.test(value) ? value : null
}

export function mimeType(value: unknown): string | null {
  return typeof value === 'string' && /^[\x20-\x7e]{1,255}$/.test(value) ? value : null
}
