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
  const values = change.record ?? change.old
  for (const filter of filters) {
    const value = values?.get(filter.column)
    const type = change.relation.facts.types.get(filter.column)
    if (type === undefined || typeof value !== 'string') return false
    const holds =
      holdsHere(filter, type, value) ?? (await compare(type.sql, filter.operator, value, filter.values))
    if (holds === filter.negate) return false
  }
  return true
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
