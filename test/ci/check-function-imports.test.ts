import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { importFaults } from '../../.ci/check-function-imports.ts'

const LOCK = {
  packages: { 'node_modules/h3': { version: '2.0.8' }, 'node_modules/@a/b': { version: '1.2.3' } },
}
const GOOD = { imports: { h3: 'npm:h3@2.0.8', '@a/b': 'npm:@a/b@1.2.3' } }

test('equal versions pass', () => {
  const source =
    "import { H3 } from 'h3'\nimport type {\n  B,\n} from \"@a/b\"\nimport './x.ts'\nexport * from './y.ts'\nimport 'node:fs'"
  assert.deepEqual(importFaults(GOOD, LOCK, [source]), [])
})

test('another version, a range, a package that is not locked', () => {
  for (const target of [
    'npm:h3@2.0.7',
    'npm:h3@^2.0.8',
    'npm:h3',
    'npm:other@2.0.8',
    'https://esm.sh/h3@2.0.8',
  ]) {
    const faults = importFaults({ imports: { h3: target } }, LOCK, [])
    assert.equal(faults.length, 1, target)
    assert.ok(faults[0]?.includes('npm:h3@2.0.8'), faults[0])
  }
  assert.equal(importFaults({ imports: { zod: 'npm:zod@1.0.0' } }, LOCK, []).length, 1)
})

test('what is imported must be in the map', () => {
  for (const source of [
    "import { z } from 'zod'",
    "import 'zod'",
    "export { z } from 'zod'",
    "import type {\n z\n} from 'zod'",
  ]) {
    assert.match(importFaults(GOOD, LOCK, [source]).join(), /zod is imported/, source)
  }
  assert.match(importFaults({}, LOCK, ["import { H3 } from 'h3'"]).join(), /h3 is imported/)
})

test("the repository's own functions pass", () => {
  const root = join(import.meta.dirname, '../..')
  execFileSync(process.execPath, ['--import', 'tsx', '.ci/check-function-imports.ts'], { cwd: root })
})
