import assert from 'node:assert/strict'
import { UserError } from '../../src/errors.ts'
import { type Need, readSettings } from '../../src/settings.ts'

type Source = Record<string, string | undefined>

/** The faults of that environment, each without its dash. */
export function faultsOf(source: Source, needs: readonly Need[] = []): string[] {
  try {
    readSettings(source, needs)
    return []
  } catch (error) {
    assert.ok(error instanceof UserError)
    return error.message.split('\n  - ').slice(1)
  }
}

/** Whether each text is taken for that setting. */
export function assertTakes(name: string, taken: readonly string[], refused: readonly string[]): void {
  for (const text of taken) assert.deepEqual(faultsOf({ [name]: text }), [], `${name}=${text}`)
  for (const text of refused) {
    const faults = faultsOf({ [name]: text })
    assert.equal(faults.length, 1, `${name}=${text} has ${faults.length} faults`)
    assert.ok(faults[0]?.startsWith(`${name} `), faults[0])
  }
}
