import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { createMachine } from 'xstate'
import { drawMachine, fillDiagrams } from '../../.ci/mermaid.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const NAMES = ['attachment', 'subscription', 'circuit', 'daemon']
const markers = (names: readonly string[]) =>
  names.map(name => `# ${name}\n<!-- diagram:${name} -->\n<!-- /diagram:${name} -->\ntext\n`).join('')

let folder = ''
let file = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mediaferry-diagrams-'))
  file = join(folder, 'README.md')
})
afterEach(() => rmSync(folder, { recursive: true }))

function diagrams(...args: string[]) {
  const program = join(ROOT, '.ci', 'diagrams.ts')
  return spawnSync(process.execPath, ['--import', 'tsx', program, ...args, file], {
    cwd: ROOT,
    encoding: 'utf8',
  })
}

test('draws states, arrows, guards, timers, actors and what is inside of a state', () => {
  const machine = createMachine({
    id: 'm',
    initial: 'idle',
    states: {
      idle: { on: { GO: 'busy', NOTE: { actions: () => undefined }, IGNORED: {} } },
      busy: {
        initial: 'one',
        on: { STOP: 'done', SKIP: '.two' },
        states: {
          one: {
            after: { 5: 'two' },
            on: { NEXT: [{ guard: 'ready', target: 'two' }, { target: '#m.idle' }] },
          },
          two: { invoke: { id: 'work', src: 'work', onDone: '#m.done', onError: 'one' } },
        },
      },
      done: { type: 'final' },
    },
  })
  assert.equal(
    drawMachine(machine),
    [
      'stateDiagram-v2',
      '  [*] --> idle',
      '  state busy {',
      '    [*] --> one',
      '    one --> two: SKIP, NEXT [ready], after 5',
      '    two --> one: work failed',
      '  }',
      '  idle --> busy: GO',
      '  idle --> idle: NOTE',
      '  busy --> done: STOP',
      '  one --> idle: NEXT',
      '  two --> done: work done',
      '  done --> [*]',
    ].join('\n'),
  )
})

test('fills the markers, keeps all else, and names each marker that is missing', () => {
  const text = `before\n${markers(['a', 'b'])}after`
  const once = fillDiagrams(text, { a: 'A', b: 'B' })
  assert.deepEqual(once.missing, [])
  assert.equal(
    once.text,
    text
      .replace('diagram:a -->\n', 'diagram:a -->\n```mermaid\nA\n```\n')
      .replace('diagram:b -->\n', 'diagram:b -->\n```mermaid\nB\n```\n'),
  )
  assert.deepEqual(fillDiagrams(once.text, { a: 'A', b: 'B' }), once, 'a second time changes nothing')
  assert.deepEqual(fillDiagrams('', { a: 'A' }).missing, ['<!-- diagram:a -->', '<!-- /diagram:a -->'])
  assert.deepEqual(fillDiagrams('<!-- diagram:a -->', { a: 'A' }).missing, ['<!-- /diagram:a -->'])
  assert.deepEqual(fillDiagrams('<!-- /diagram:a --><!-- diagram:a -->', { a: 'A' }).missing, [
    '<!-- /diagram:a -->',
  ])
})

test('the program draws all four; --check passes, and fails once something drifts', () => {
  writeFileSync(file, markers(NAMES))
  assert.equal(diagrams('--check').status, 1, 'an empty place is a drift')
  assert.equal(readFileSync(file, 'utf8'), markers(NAMES), 'and --check writes nothing')
  assert.equal(diagrams().status, 0)
  const drawn = readFileSync(file, 'utf8')
  assert.equal(drawn.match(/```mermaid\nstateDiagram-v2\n {2}\[\*\] --> /g)?.length, 4)
  assert.equal(diagrams('--check').status, 0)

  writeFileSync(file, drawn.replace('probing --> closed', 'probing --> shut'))
  const { status, stderr } = diagrams('--check')
  assert.equal(status, 1)
  assert.match(stderr, /probing --> shut/)
  assert.match(stderr, /npm run diagrams/)
})

test('the program says which marker a README lacks', () => {
  writeFileSync(file, markers(NAMES.filter(name => name !== 'circuit')))
  const { status, stderr } = diagrams()
  assert.equal(status, 1)
  assert.match(stderr, /lacks <!-- diagram:circuit -->, <!-- \/diagram:circuit -->/)
  rmSync(file)
  assert.equal(diagrams('--check').status, 1)
  writeFileSync(file, '')
})
