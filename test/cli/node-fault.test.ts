import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeFault } from '../../src/cli/node-fault.ts'
import { PACKAGE_ROOT } from '../../src/package-root.ts'

test('an older Node.js is told so, with the next step; before anything else is imported', () => {
  assert.match(
    nodeFault('20.20.2') ?? '',
    /^mediaferry needs Node 22\.19 or newer; this is 20\.20\.2\.\n`npm install node@24`/,
  )
  assert.notEqual(nodeFault('22.18.0'), undefined)
  for (const version of ['22.19.0', '23.0.0', '24.21.0']) assert.equal(nodeFault(version), undefined)
  const [first] = readFileSync(join(PACKAGE_ROOT, 'src', 'cli.ts'), 'utf8').match(/^import .*$/m) ?? []
  assert.equal(first, "import './cli/node-version.ts'")
  assert.equal(JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')).engines.node, '>=22.19')
})
