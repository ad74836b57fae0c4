import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { UserError } from '../src/errors.ts'
import { createLog, type Log, turnByTurn } from '../src/log.ts'

/** What that program writes at that level, each line parsed. */
function written(program: (log: Log) => void, level = 'info'): Record<string, unknown>[] {
  const lines: string[] = []
  program(createLog(level, { write: line => lines.push(line) }))
  return lines.map(line => JSON.parse(line))
}

test('writes one JSON object a line: level by name, ISO time, no process noise', () => {
  const [line] = written(log => log.info({ attachment: 17 }, 'settled'))
  assert.deepEqual({ ...line, time: '' }, { level: 'info', time: '', attachment: 17, msg: 'settled' })
  assert.match(String(line?.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
})

test('writes nothing below its level', () => {
  assert.deepEqual(
    written(log => log.debug('quiet')),
    [],
  )
  assert.deepEqual(
    written(log => log.error('quiet'), 'silent'),
    [],
  )
})

test('the lines of one turn are one write, in order', async () => {
  const writes: string[] = []
  const log = createLog('info', turnByTurn({ write: text => writes.push(text) }))
  for (const attachment of [1, 2, 3]) log.info({ attachment }, 'settled')
  assert.equal(writes.length, 0)
  await nextTurn()
  log.info({ attachment: 4 }, 'settled')
  await nextTurn()
  const attachments = writes.map(text => text.match(/(?<="attachment":)\d/g))
  assert.deepEqual(attachments, [['1', '2', '3'], ['4']])
})

test('nothing that was logged is left behind by a process that ends', () => {
  const module = JSON.stringify(join(import.meta.dirname, '..', 'src', 'log.ts'))
  const program = `const { createLog, turnByTurn } = await import(${module})
    const log = createLog('info', turnByTurn())
    log.info('the last word')
    process.on('exit', () => log.info('and the very last'))
    process.exit(0)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.deepEqual(stdout.match(/(?<="msg":")[^"]*/g), ['the last word', 'and the very last'])
})

suite('secrets', () => {
  test('are removed under the known names, one and two levels deep', () => {
    const names = [
      'authorization',
      'apikey',
      'token',
      'accessToken',
      'access_token',
      'appSecret',
      'secretKey',
      'verifyToken',
      'url',
    ]
    const secrets = Object.fromEntries(names.map(name => [name, 'hunter2']))
    const [line] = written(log => log.info({ ...secrets, request: { ...secrets, method: 'GET' } }, 'asked'))
    assert.doesNotMatch(JSON.stringify(line), /hunter2/)
    assert.equal(JSON.stringify(line).split('[secret]').length - 1, names.length * 2)
    assert.match(JSON.stringify(line), /"method":"GET"/)
  })

  test('are removed from what a child logger always says', () => {
    const [line] = written(log => log.child({ token: 'hunter2' }).info('asked'))
    assert.equal(line?.token, '[secret]')
  })

  test('are removed from a copy: what was logged stays as it is', () => {
    const request = Object.freeze({ url: 'https://x.example/', method: 'GET' })
    const [line] = written(log => log.info(Object.freeze({ request }), 'asked'))
    assert.deepEqual(line?.request, { url: '[secret]', method: 'GET' })
    assert.equal(request.url, 'https://x.example/')
  })

  const error = new Error('GET https://x.example/?key=hunter2 failed', { cause: new Error('Bearer hunter2') })

  for (const [how, program] of Object.entries({
    'with a text': (log: Log) => log.error({ err: error }, 'failed'),
    'without a text': (log: Log) => log.error({ err: error }),
    'as the only thing': (log: Log) => log.error(error),
    'first, then a text': (log: Log) => log.error(error, 'failed'),
    'of a child': (log: Log) => log.child({ part: 'x' }).error(error),
  })) {
    for (const level of ['info', 'debug']) {
      test(`are removed from an error logged ${how}, at level ${level}`, () => {
        const [line] = written(program, level)
        assert.doesNotMatch(JSON.stringify(line), /hunter2/)
        assert.match(JSON.stringify(line), /GET \[url\] failed: Bearer \[secret\]/)
      })
    }
  }
})

suite('errors', () => {
  test('are one line with the hint; the stack goes along at level debug', () => {
    const error = new UserError('It broke.', { hint: 'Mend it.' })
    const [short] = written(log => log.error({ err: error }, 'stopping'))
    assert.deepEqual(short?.err, { message: 'It broke.', hint: 'Mend it.' })
    assert.equal(short?.msg, 'stopping')
    const [long] = written(log => log.error({ err: error }, 'stopping'), 'debug')
    assert.match(JSON.stringify(long?.err), /log\.test\.ts/)
  })

  test('without a text give the line its text', () => {
    const [line] = written(log => log.warn(new Error('It broke.')))
    assert.equal(line?.msg, 'It broke.')
    assert.deepEqual(line?.err, { message: 'It broke.' })
  })

  test('may be anything that was thrown', () => {
    const [line] = written(log => log.warn({ err: 'just text' }, 'odd'))
    assert.deepEqual(line?.err, { message: 'just text' })
  })
})
