import { arrayText, normalizeJson, numberText } from './jsonb.ts'

/** How PostgreSQL's text form of one type becomes the JSON that Realtime sends. */
export interface ValueType {
  /** The type's name in pg_type, of a domain its base type's: `int8`, `timestamptz`, `_text`. */
  readonly name: string
  /** Of an array: the type of its elements. */
  readonly element?: { readonly name: string; readonly delimiter: string }
}

const NUMBERS = new Set(['int2', 'int4', 'int8', 'float4', 'float8', 'numeric'])

/**
 * JSON text of one value: numbers bare (NaN and infinities null), timestamps in ISO form, bytea as hex
 * without its prefix, arrays and json as JSON, everything else as PostgreSQL prints it, in quotes. Expects
 * the session to print with DateStyle ISO and TimeZone UTC.
 */
export function valueText(type: ValueType, text: string): string {
  if (type.element !== undefined) return arrayOf(type.element, text)
  if (NUMBERS.has(type.name)) return numberText(text)
  switch (type.name) {
    case 'bool':
      return text === 't' ? 'true' : 'false'
    case 'jsonb':
      return text
    case 'json':
      return normalizeJson(text)
    case 'timestamp':
      return JSON.stringify(text.replace(' ', 'T'))
    case 'timestamptz':
      return JSON.stringify(text.replace(' ', 'T').replace(/\+00(?= BC$|$)/, '+00:00'))
    case 'bytea':
      return JSON.stringify(text.replace(/^\\x/, ''))
    default:
      return JSON.stringify(text)
  }
}

type Item = string | null | Item[]

/** PostgreSQL's array literal, `{1,NULL,"a \"b\""}`, nested for more dimensions, `[2:3]={…}` with bounds. */
function arrayOf(element: { name: string; delimiter: string }, text: string): string {
  const reader = { text, at: Math.max(text.indexOf('={') + 1, 0) }
  const write = (item: Item): string => {
    if (item === null) return 'null'
    return Array.isArray(item) ? arrayText(item.map(write)) : valueText({ name: element.name }, item)
  }
  return write(readItems(reader, element.delimiter))
}

interface Reader {
  readonly text: string
  at: number
}

function readItems(reader: Reader, delimiter: string): Item[] {
  const items: Item[] = []
  reader.at++
  while (reader.at < reader.text.length && reader.text[reader.at] !== '}') {
    items.push(readItem(reader, delimiter))
    if (reader.text[reader.at] === delimiter) reader.at++
  }
  reader.at++
  return items
}

function readItem(reader: Reader, delimiter: string): Item {
  if (reader.text[reader.at] === '{') return readItems(reader, delimiter)
  if (reader.text[reader.at] !== '"') {
    const start = reader.at
    while (
      reader.at < reader.text.length &&
      reader.text[reader.at] !== delimiter &&
      reader.text[reader.at] !== '}'
    ) {
      reader.at++
    }
    const word = reader.text.slice(start, reader.at)
    return word === 'NULL' ? null : word
  }
  let value = ''
  for (reader.at++; reader.at < reader.text.length && reader.text[reader.at] !== '"'; reader.at++) {
    if (reader.text[reader.at] === '\\') reader.at++
    value += reader.text[reader.at] ?? ''
  }
  reader.at++
  return value
}
