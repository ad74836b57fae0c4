import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { resultOf } from '../../src/local/run-program.ts'
import { PACKAGE_ROOT } from '../../src/package-root.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const run = (...args: string[]) =>
  resultOf(
    spawn(process.execPath, [join(PACKAGE_ROOT, 'src', 'cli.ts'), ...args], {
      env: BARE_ENVIRONMENT,
    }),
  )

const errorOf = async (...args: string[]) => {
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'src', 'cli.ts'), ...args], {
    env: BARE_ENVIRONMENT,
  })
  const [said] = await Promise.all([text(child.stderr), once(child, 'close')])
  return said
}

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
  assert.match(help, /A working day:[\s\S]*mediaferry -- status 42[\s\S]*Exit codes: 0/)
})

test('bash takes the script a second time without a word', async () => {
  const { output: script } = await run('completion', 'bash')
  const bash = spawn('bash')
  bash.stdin.end(`exec 2>&1\ncomplete() { :; }\n${script}\n${script}\necho "$ShellCompDirectiveKeepOrder"`)
  const { code, output } = await resultOf(bash)
  assert.deepEqual([code, output.trim()], [0, '32'])
})

test('a wrong option, a short number and a hint name what is to be typed in a clone', async () => {
  const [option, number, hint, help] = await Promise.all([
    errorOf('status', '--bogus'),
    errorOf('replay', '--image', '--from', '+49-151'),
    errorOf('retry'),
    run('url', '--help'),
  ])
  assert.match(option, /`npm run mediaferry -- status --help`/)
  assert.match(number, /49151 is too short for a phone number/)
  assert.match(hint, /`npm run mediaferry -- retry 17 18`/)
  assert.match(help.output, /\$\(npm run -s mediaferry -- url 108\)/)
})
