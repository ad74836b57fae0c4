/**
 * The `filter` of a binding: `column=operator.value`, several joined by commas, each possibly negated with
 * `not.`. Texts of the refusals as supabase/realtime 2.129.8 words them.
 */
const OPERATORS = ['eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in'] as const
export type Operator = (typeof OPERATORS)[number]

export interface Filter {
  readonly column: string
  readonly operator: Operator
  /** Of `in`: the members, still as text. Otherwise one. */
  readonly values: readonly string[]
  readonly negate: boolean
}

/** Throws an Error with the server's wording, without its beginning "Error parsing `filter` params: ". */
export function parseFilters(text: string): Filter[] {
  if (text.trim() === '') return []
  return splitOutsideParentheses(text).map(parseFilter)
}

/** The filters as the server shows them in its messages: Elixir tuples, broken into lines past 80 columns. */
export function inspectFilters(filters: readonly Filter[]): string {
  const tuples = filters.map(filter => {
    const value = filter.operator === 'in' ? `{${filter.values.join(',')}}` : (filter.values[0] ?? '')
    return [filter.column, filter.operator, value]
      .map(part => JSON.stringify(part))
      .concat(String(filter.negate))
  })
  const line = `[${tuples.map(parts => `{${parts.join(', ')}}`).join(', ')}]`
  return line.length <= 80 ? line : `[\n${tuples.map(parts => `  ${tupleInLines(parts)}`).join(',\n')}\n]`
}

function parseFilter(text: string): Filter {
  const equals = text.indexOf('=')
  if (equals < 0) throw new Error(`[${JSON.stringify(text)}]`)
  const column = text.slice(0, equals)
  const rest = text.slice(equals + 1)
  const negate = rest.startsWith('not.')
  const [name, value] = cut(negate ? rest.slice(4) : rest)
  const operator = OPERATORS.find(known => known === name)
  if (operator === undefined || value === undefined) {
    throw new Error(
      `[${[name, value]
        .filter(part => part !== undefined)
        .map(part => JSON.stringify(part))
        .join(', ')}]`,
    )
  }
  if (operator !== 'in') return { column, operator, values: [value], negate }
  const inside = /^\((.*)\)$/s.exec(value)?.[1]
  if (inside === undefined) throw new Error('`in` filter value must be wrapped by parentheses')
  return { column, operator, values: inside.split(','), negate }
}

function cut(text: string): [string, string | undefined] {
  const point = text.indexOf('.')
  return point < 0 ? [text, undefined] : [text.slice(0, point), text.slice(point + 1)]
}

function splitOutsideParentheses(text: string): string[] {
  const parts = ['']
  let depth = 0
  for (const letter of text) {
    if (letter === '(') depth++
    if (letter === ')') depth--
    if (letter === ',' && depth === 0) parts.push('')
    else parts.push((parts.pop() ?? '') + letter)
  }
  return parts
}

function tupleInLines(parts: readonly string[]): string {
  let [text, column] = ['', 3]
  for (const [index, part] of parts.entries()) {
    const width = part.length + 1
    if (index > 0 && column + width > 80) [text, column] = [`${text}\n   `, 3]
    else if (index > 0) [text, column] = [`${text} `, column + 1]
    text += part + (index < parts.length - 1 ? ',' : '')
    column += width
  }
  return `{${text}}`
}
