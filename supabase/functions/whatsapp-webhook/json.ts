/** Reading values that were parsed from JSON: own properties only, so that `__proto__` is a name like any other. */

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A property's value, or undefined when there is none or `value` is not an object. */
export function get(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

export function getObject(value: unknown, name: string): JsonObject | null {
  const found = get(value, name)
  return isObject(found) ? found : null
}

/** A property's elements; an empty list when it is not an array. */
export function getArray(value: unknown, name: string): readonly unknown[] {
  const found = get(value, name)
  return Array.isArray(found) ? found : []
}

export function getBoolean(value: unknown, name: string): boolean | null {
  const found = get(value, name)
  return typeof found === 'boolean' ? found : null
}
