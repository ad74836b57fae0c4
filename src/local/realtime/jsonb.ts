/**
 * JSON text as PostgreSQL writes jsonb, which is how Realtime sends records: a space after each comma and
 * colon, object keys by length and then bytes, numbers without exponent and with all their digits.
 */

/** One object of `[key, JSON text]` pairs. */
export function objectText(entries: Iterable<readonly [string, string]>): string {
  const sorted = [...entries].sort(([a], [b]) => compareKeys(a, b))
  return `{${sorted.map(([key, json]) => `${JSON.stringify(key)}: ${json}`).join(', ')}}`
}

export function arrayText(items: readonly string[]): string {
  return `[${items.join(', ')}]`
}

/** A PostgreSQL number, `1.5e+300` for example, in plain digits. */
export function numberText(text: string): string {
  if (/^-?\d+$/.test(text)) return text
  const [, sign = '', whole = '', fraction = '', power] =
    /^([-+]?)(\d+)(?:\.(\d*))?(?:e([-+]?\d+))?$/i.exec(text) ?? []
  if (whole === '') return 'null'
  const minus = sign === '-' ? '-' : ''
  if (power === undefined) return `${minus}${whole}${fraction === '' ? '' : `.${fraction}`}`
  const point = whole.length + Number(power)
  const digits = (whole + fraction).padEnd(point, '0')
  const left = point > 0 ? digits.slice(0, point) : '0'
  const right = point > 0 ? digits.slice(point) : '0'.repeat(-point) + digits
  return `${minus}${left.replace(/^0+(?=\d)/, '')}${right === '' ? '' : `.${right}`}`
}

/** Any JSON text as jsonb would keep it: keys sorted, the last of equal keys, numbers digit for digit. */
export function normalizeJson(text: string): string {
  return write(JSON.parse(text, keepDigits))
}

/** A number as it was written, held through JSON.parse, which would cut it to 53 bits. */
class Digits {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? new Digits(context.source) : value
}

function write(value: unknown): string {
  if (value instanceof Digits) return numberText(value.text)
  if (Array.isArray(value)) return arrayText(value.map(write))
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return objectText(Object.entries(value).map(([key, item]) => [key, write(item)] as const))
}

/** The order of an object's keys. */
export function compareKeys(a: string, b: string): number {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length - right.length || left.compare(right)
}
