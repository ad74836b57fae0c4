import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { MUTATIONS } from './mutations.ts'

/** From the mutation's own on, which are among those that `npm test` runs unchanged. */
const SEEDS = 12

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))

interface Failed {
  readonly code: number
  readonly stdout: string
}

async function simulateWith(mutation: string, seed: number): Promise<Failed> {
  const args = [
    '--import',
    here('mutate.ts'),
    here('run.ts'),
    '--first',
    String(seed),
    '--seeds',
    String(SEEDS),
  ]
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

for (const { name, seed, caughtBy } of MUTATIONS) {
  test(`the simulation notices when ${name}`, async () => {
    const { code, stdout } = await simulateWith(name, seed)
    assert.match(stdout, new RegExp(`^mutated: ${name}$`, 'm'))
    assert.equal(code, 1, stdout.slice(-2000))
    const broken = [...stdout.matchAll(/^seed \d+: (.+?): /gm)].map(([, invariant]) => invariant)
    assert.ok(
      caughtBy.some(invariant => broken.includes(invariant)),
      broken.join(', '),
    )
  })
}
