import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { MUTATIONS } from './mutations.ts'

/** Each was caught by one of the first dozen. */
const SEEDS = 60

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

interface Failed {
  readonly code: number
  readonly stdout: string
}

async function simulateWith(mutation: string): Promise<Failed> {
  const args = ['--import', here('mutate.ts'), here('run.ts'), '--seeds', String(SEEDS)]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { ...process.env, MUTATION: mutation },
      timeout: 120_000,
    })
    return { code: 0, stdout }
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && 'stdout' in error, String(error))
    return { code: Number(error.code), stdout: String(error.stdout) }
  }
}

for (const { name, caughtBy } of MUTATIONS) {
  test(`the simulation notices when ${name}`, async () => {
    const { code, stdout } = await simulateWith(name)
    assert.match(stdout, new RegExp(`^mutated: ${name}$`, 'm'))
    assert.equal(code, 1, stdout.slice(-2000))
    const broken = [...stdout.matchAll(/^seed \d+: (.+?): /gm)].map(([, invariant]) => invariant)
    assert.ok(
      caughtBy.some(invariant => broken.includes(invariant)),
      broken.join(', '),
    )
  })
}
