import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import fc from 'fast-check'
import { UserError } from '../src/errors.ts'
import { environment, readSettings, SETTING_NAMES } from '../src/settings.ts'
import { assertTakes, faultsOf } from './support/settings.ts'

const KEY = 'sb_secret_0123456789abcdef'

test('has the documented defaults', () => {
  assert.deepEqual(readSettings({}, []), {
    WHATSAPP_GRAPH_URL: 'https://graph.facebook.com',
    WHATSAPP_GRAPH_VERSION: 'v25.0',
    WHATSAPP_MEDIA_HOSTS: ['graph.facebook.com', '*.fbsbx.com', '*.fbcdn.net', '*.whatsapp.net'],
    STORAGE_BUCKET: 'attachments',
    CONCURRENCY: 8,
    MAX_ATTEMPTS: 5,
    RETRY_DELAY: 300_000,
    LEASE: 60_000,
    SWEEP_INTERVAL: 30_000,
    CANARY_INTERVAL: 30_000,
    CANARY_TIMEOUT: 5000,
    MAX_FILE_SIZE: 104_857_600,
    STATE_FILE: 'mediaferry-state.sqlite',
    DRAIN_TIMEOUT: 20_000,
    OPS_HOST: '127.0.0.1',
    OPS_PORT: 8787,
    LOG_LEVEL: 'info',
  })
})

test('answers a frozen object, its lists too', () => {
  const settings = readSettings({ WHATSAPP_APP_SECRET: 'one' }, [])
  assert.ok(Object.isFrozen(settings))
  assert.ok(Object.isFrozen(settings.WHATSAPP_APP_SECRET))
  assert.ok(Object.isFrozen(settings.WHATSAPP_MEDIA_HOSTS))
})

suite('faults', () => {
  test('are named all at once, with what to do next', () => {
    const source = {
      CONCURRENCY: 'many',
      LEASE: '1',
      MAX_FILE_SIZE: 'big',
      LOG_LEVEL: 'loud',
      OPS_PORT: '-1',
    }
    assert.deepEqual(
      faultsOf(source, ['token', 'supabase', 'webhook']).map(fault => fault.split(' ')[0]),
      [
        'CONCURRENCY',
        'LEASE',
        'MAX_FILE_SIZE',
        'OPS_PORT',
        'LOG_LEVEL',
        'WHATSAPP_ACCESS_TOKEN',
        'SUPABASE_URL',
        'SUPABASE_SECRET_KEY',
        'WHATSAPP_APP_SECRET',
        'WHATSAPP_VERIFY_TOKEN',
      ],
    )
    assert.throws(() => readSettings(source, []), { name: 'UserError', hint: /\.env\.example/ })
  })

  test('count only what the command needs', () => {
    assert.deepEqual(faultsOf({}, []), [])
    assert.deepEqual(faultsOf({}, ['token']), ['WHATSAPP_ACCESS_TOKEN is missing'])
    assert.deepEqual(faultsOf({ WHATSAPP_ACCESS_TOKEN: 'EAAtoken' }, ['token']), [])
  })

  test('never quote a secret', () => {
    const secret = 'hunter2 hunter2'
    const inAddress = 'http://user:hunter2@example.com/hunter2?sig=hunter2'
    const faults = faultsOf({
      SUPABASE_URL: inAddress,
      SUPABASE_SECRET_KEY: secret,
      WHATSAPP_ACCESS_TOKEN: secret,
      WHATSAPP_APP_SECRET: ',',
      WHATSAPP_GRAPH_URL: inAddress,
      ALERT_URL: inAddress,
      OPS_TOKEN: 'hunter2',
    })
    const named = new Set(faults.map(fault => fault.split(' ')[0]))
    assert.equal(named.size, 7, 'each of them is a fault')
    assert.doesNotMatch(faults.join('\n'), /hunter2/)
  })

  test('quote a harmless value, cut and without control characters', () => {
    assert.deepEqual(faultsOf({ CONCURRENCY: `\u001b[2J${'9'.repeat(1000)}` }), [
      `CONCURRENCY " [2J${'9'.repeat(36)}" is not a whole number from 1 to 500`,
    ])
  })
})

suite('keys and tokens', () => {
  test('the older name of the secret key counts, the newer one goes first', () => {
    const needs = ['supabase'] as const
    const SUPABASE_URL = 'https://example.com'
    const older = { SUPABASE_URL, SUPABASE_SERVICE_ROLE_KEY: KEY }
    assert.equal(readSettings(older, needs).SUPABASE_SECRET_KEY, KEY)
    const both = { ...older, SUPABASE_SECRET_KEY: `${KEY}2` }
    assert.equal(readSettings(both, needs).SUPABASE_SECRET_KEY, `${KEY}2`)
    const wrong = faultsOf({ SUPABASE_SERVICE_ROLE_KEY: 'short' })
    assert.deepEqual(wrong, ['SUPABASE_SERVICE_ROLE_KEY is too short to be a key'])
  })

  test('must fit into a header, and be the secret kind', () => {
    const spoilt = ['a b', 'a\nb', 'tökén', 'a\u0000b'].map(text => text.padEnd(30, 'x'))
    assertTakes('WHATSAPP_ACCESS_TOKEN', ['EAA0123|abc-_.=+/'], spoilt)
    assertTakes('SUPABASE_SECRET_KEY', [KEY], [...spoilt, 'sb_publishable_0123456789abcdef', 'short'])
  })

  test('OPS_TOKEN is needed as soon as other machines can reach the ops server', () => {
    for (const OPS_HOST of ['127.0.0.1', '::1', 'localhost', 'LOCALHOST']) {
      assert.deepEqual(faultsOf({ OPS_HOST }), [], OPS_HOST)
    }
    for (const OPS_HOST of ['0.0.0.0', '::', '192.168.1.1', 'ops.example.com', '127.0.0.1.example.com']) {
      const faults = faultsOf({ OPS_HOST })
      assert.deepEqual(faults, [
        `OPS_TOKEN is missing: OPS_HOST ${OPS_HOST} can be reached from other machines`,
      ])
      assert.deepEqual(faultsOf({ OPS_HOST, OPS_TOKEN: '0123456789abcdef' }), [])
    }
    assertTakes(
      'OPS_TOKEN',
      ['0123456789abcdef'],
      ['0123456789abcde', 'a token that no header can carry', 'schlüsselschlüssel'],
    )
  })
})

test('throws nothing but a UserError, whatever the environment', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string(),
    fc.webUrl(),
    fc.constantFrom('0s', '9e99d', '*', '\u0000', 'http://[', '1'.repeat(500), 'constructor', '__proto__'),
  )
  const names = fc.constantFrom(...SETTING_NAMES, 'SUPABASE_SERVICE_ROLE_KEY', '__proto__', 'toString')
  fc.assert(
    fc.property(fc.dictionary(names, hostile), source => {
      for (const needs of [[], ['supabase', 'token', 'webhook']] as const) {
        try {
          readSettings(source, needs)
        } catch (error) {
          if (!(error instanceof UserError)) throw error
        }
      }
    }),
    { numRuns: 500 },
  )
})

suite('environment', () => {
  const name = 'MEDIAFERRY_TEST_VARIABLE'
  let folder = ''

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mediaferry-settings-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
    delete process.env[name]
  })

  test('goes before the .env file, unless it is empty', () => {
    writeFileSync(join(folder, '.env'), `${name}="from the file"\n`)
    assert.equal(environment(folder)[name], 'from the file')
    process.env[name] = ''
    assert.equal(environment(folder)[name], 'from the file')
    process.env[name] = 'from the environment'
    assert.equal(environment(folder)[name], 'from the environment')
  })

  test('needs no .env file', () => {
    process.env[name] = 'here'
    assert.equal(environment(folder)[name], 'here')
  })

  test('reads a file that begins with a byte order mark, as Windows editors write it', () => {
    writeFileSync(join(folder, '.env'), `\uFEFF${name}=marked\r\n`)
    assert.equal(environment(folder)[name], 'marked')
  })

  test('says so when .env cannot be read', () => {
    mkdirSync(join(folder, '.env'))
    assert.throws(() => environment(folder), { name: 'UserError', message: /\.env cannot be read: EISDIR/ })
  })
})
