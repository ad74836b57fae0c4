import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { resultOf } from '../../src/local/run-program.ts'
import { PACKAGE_ROOT } from '../../src/package-root.ts'

const run = (...args: string[]) =>
  resultOf(
    spawn(process.execPath, [join(PACKAGE_ROOT, 'src', 'cli.ts'), ...args], {
      env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1' },
    }),
  )

test('the shell is told the commands, and the options of one', async () => {
  const [commands, options] = await Promise.all([
    run('complete', '--', 'st'),
    run('complete', '--', 'status', '--'),
  ])
  assert.match(commands.output, /^start\t/m)
  assert.match(commands.output, /^status\t/m)
  assert.doesNotMatch(commands.output, /^sweep/m)
  assert.match(options.output, /^--watch\t/m)
})

test('bash takes the script, and help shows a working day and the exit codes', async () => {
  const [{ output: script }, { output: help }] = await Promise.all([run('completion', 'bash'), run('--help')])
  const bash = spawn('bash', ['-n'])
  bash.stdin.end(script)
  assert.equal((await resultOf(bash)).code, 0)
  assert.match(script, /complete -F \S+ mediaferry/)
  assert.match(help, /A working day:[\s\S]*mediaferry status 42[\s\S]*Exit codes: 0/)
})
