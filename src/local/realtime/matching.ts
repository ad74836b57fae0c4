import type { Change } from './changes.ts'
import type { ColumnType, RealtimeDatabase } from './database.ts'
import type { Filter } from './filters.ts'

const TEXTS = new Set(['text', 'varchar'])
const INTEGERS = new Set(['int2', 'int4', 'int8'])

/**
 * Whether a change passes all filters. A column that is null or not known (of a deleted row only the primary
 * key is) passes none. Text equality and whole numbers are decided here, all else by PostgreSQL itself.
 */
export async function passes(
  filters: readonly Filter[],
  change: Change,
  compare: RealtimeDatabase['compare'],
): Promise<boolean> {
  for (const filter of filters) {
    const [type, value] = sides(filter, change)
    if (type === undefined || typeof value !== 'string') return false
    const holds =
      holdsHere(filter, type, value) ?? (await compare(type.sql, filter.operator, value, filter.values))
    if (holds === filter.negate) return false
  }
  return true
}

/** The same without waiting; undefined when it takes PostgreSQL to know. */
export function passesHere(filters: readonly Filter[], change: Change): boolean | undefined {
  for (const filter of filters) {
    const [type, value] = sides(filter, change)
    if (type === undefined || typeof value !== 'string') return false
    const holds = holdsHere(filter, type, value)
    if (holds === undefined) return undefined
    if (holds === filter.negate) return false
  }
  return true
}

function sides({ column }: Filter, change: Change): [ColumnType | undefined, string | null | undefined] {
  return [change.relation.facts.types.get(column), (change.record ?? change.old)?.get(column)]
}

/** Undefined when it takes PostgreSQL to know. */
function holdsHere({ operator, values }: Filter, type: ColumnType, value: string): boolean | undefined {
  if (TEXTS.has(type.name)) {
    if (operator === 'eq' || operator === 'in') return values.includes(value)
    return operator === 'neq' ? !values.includes(value) : undefined
  }
  if (!INTEGERS.has(type.name) || ![value, ...values].every(text => /^-?\d+$/.test(text))) return undefined
  const [left, first] = [BigInt(value), BigInt(values[0] ?? '0')]
  switch (operator) {
    case 'eq':
      return left === first
    case 'neq':
      return left !== first
    case 'lt':
      return left < first
    case 'lte':
      return left <= first
    case 'gt':
      return left > first
    case 'gte':
      return left >= first
    case 'in':
      return values.some(member => BigInt(member) === left)
  }
}
