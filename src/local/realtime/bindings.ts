import { createHash } from 'node:crypto'
import { type Filter, inspectFilters, parseFilters } from './filters.ts'
import { isObject } from './protocol.ts'

/** One entry of a join's `config.postgres_changes`: which rows a channel wants to hear of. */
export interface Binding {
  readonly id: number
  /** `*` for every change; the real server takes an event name that it does not know for that, too. */
  readonly event: 'INSERT' | 'UPDATE' | 'DELETE' | '*'
  /** `*` for all. */
  readonly schema: string
  readonly table: string
  readonly filters: readonly Filter[]
  /** The columns wanted beside the primary key; undefined for all. */
  readonly select: readonly string[] | undefined
}

/** What a join asked for: the echo for its reply, and the bindings or why they cannot be understood. */
export interface Wishes {
  /** JSON objects, each as the client sent it with its id in front, keys sorted. */
  readonly echo: readonly Record<string, unknown>[]
  readonly bindings: readonly Binding[]
  readonly error: string | undefined
}

/** `list` is whatever stood in `config.postgres_changes`; what is not a list asks for nothing. */
export function readBindings(list: unknown): Wishes {
  const entries = Array.isArray(list) ? list.filter(isObject) : []
  const echo = entries.map(entry => ({ id: bindingId(entry), ...sorted(entry) }))
  try {
    return { echo, bindings: entries.map(readBinding), error: undefined }
  } catch (error) {
    return { echo, bindings: [], error: error instanceof Error ? error.message : String(error) }
  }
}

export function wants(binding: Binding, type: string, schema: string, table: string): boolean {
  return (
    (binding.event === '*' || binding.event === type) &&
    (binding.schema === '*' || binding.schema === schema) &&
    (binding.table === '*' || binding.table === table)
  )
}

/** The binding as the server's refusals show it. */
export function inspectBinding(binding: Binding): string {
  const select = binding.select === undefined ? 'nil' : JSON.stringify(binding.select)
  return (
    `[event: ${binding.event}, schema: ${binding.schema}, table: ${binding.table}, ` +
    `filters: ${inspectFilters(binding.filters)}, select: ${select}]`
  )
}

/** The same binding has the same id on every topic and in every session; ids are below 2^27, like Erlang's phash2. */
function bindingId(entry: Record<string, unknown>): number {
  const hash = createHash('sha256')
    .update(JSON.stringify(sorted(entry)))
    .digest()
  return hash.readUInt32BE(0) >>> 5
}

function sorted(entry: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function readBinding(entry: Record<string, unknown>): Binding {
  const { schema, table, filter, select, event } = entry
  if (typeof schema !== 'string' && typeof table !== 'string') {
    const shown = Object.entries(entry).map(
      ([key, value]) => `${JSON.stringify(key)} => ${JSON.stringify(value)}`,
    )
    throw new Error(
      `No subscription params provided. Please provide at least a \`schema\` or \`table\` to subscribe to: %{${shown.join(', ')}}`,
    )
  }
  return {
    id: bindingId(entry),
    event: event === 'INSERT' || event === 'UPDATE' || event === 'DELETE' ? event : '*',
    schema: typeof schema === 'string' ? schema : 'public',
    table: typeof table === 'string' ? table : '*',
    filters: typeof filter === 'string' ? readFilters(filter) : [],
    select: Array.isArray(select) ? select.filter(column => typeof column === 'string') : undefined,
  }
}

function readFilters(text: string): Filter[] {
  try {
    return parseFilters(text)
  } catch (error) {
    throw new Error(
      `Error parsing \`filter\` params: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
