import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import fc from 'fast-check'
import { UserError } from '../src/errors.ts'
import { environment, type Need, readSettings, SETTING_NAMES } from '../src/settings.ts'

const KEY = 'sb_secret_0123456789abcdef'

type Source = Record<string, string | undefined>

/** The faults of that environment, each without its dash. */
function faultsOf(source: Source, needs: readonly Need[] = []): string[] {
  try {
    readSettings(source, needs)
    return []
  } catch (error) {
    assert.ok(error instanceof UserError)
    return error.message.split('\n  - ').slice(1)
  }
}

/** Whether each text is taken for that setting. */
function assertTakes(name: string, taken: readonly string[], refused: readonly string[]): void {
  for (const text of taken) assert.deepEqual(faultsOf({ [name]: text }), [], `${name}=${text}`)
  for (const text of refused) {
    const faults = faultsOf({ [name]: text })
    assert.equal(faults.length, 1, `${name}=${text} has ${faults.length} faults`)
    assert.ok(faults[0]?.startsWith(`${name} `), faults[0])
  }
}

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

suite('texts', () => {
  test('empty or blank counts as not given', () => {
    assert.deepEqual(
      readSettings({ CONCURRENCY: '', RETRY_DELAY: '  ', OPS_TOKEN: undefined }, []),
      readSettings({}, []),
    )
    assert.deepEqual(faultsOf({ WHATSAPP_ACCESS_TOKEN: ' ' }, ['token']), [
      'WHATSAPP_ACCESS_TOKEN is missing',
    ])
  })

  test('lose the space around them', () => {
    const settings = readSettings({ WHATSAPP_ACCESS_TOKEN: ' EAAtoken\r\n', CONCURRENCY: ' 3 ' }, ['token'])
    assert.equal(settings.WHATSAPP_ACCESS_TOKEN, 'EAAtoken')
    assert.equal(settings.CONCURRENCY, 3)
  })

  test('durations are milliseconds, in whole ones', () => {
    for (const [text, value] of [
      ['1500ms', 1500],
      ['30s', 30_000],
      ['1.5 m', 90_000],
      ['2h', 7_200_000],
      ['7d', 604_800_000],
      ['1.0006s', 1001],
    ] as const) {
      assert.equal(readSettings({ RETRY_DELAY: text }, []).RETRY_DELAY, value)
    }
    assert.equal(readSettings({ DRAIN_TIMEOUT: '0s' }, []).DRAIN_TIMEOUT, 0)
    const never = ['5', '5 minutes', '-5m', '5w', 'm', '1e3s', '8d', `${'9'.repeat(200)}s`]
    assertTakes('RETRY_DELAY', ['1s'], [...never, '0s', '999ms'])
    assertTakes('SWEEP_INTERVAL', ['1s'], [...never, '0s'])
    assertTakes('LEASE', ['3s'], ['2999ms'])
    assertTakes('CANARY_TIMEOUT', ['100ms'], ['99ms'])
  })

  test('sizes are bytes, in powers of two', () => {
    for (const [text, value] of [
      ['1b', 1],
      ['1.5kb', 1536],
      ['100 MB', 104_857_600],
      ['5GB', 5 * 2 ** 30],
    ] as const) {
      assert.equal(readSettings({ MAX_FILE_SIZE: text }, []).MAX_FILE_SIZE, value)
    }
    assertTakes(
      'MAX_FILE_SIZE',
      [],
      ['100', '0b', '0.1b', '5.1GB', '1TB', '-1MB', 'MB', `${'9'.repeat(400)}GB`],
    )
  })

  test('whole numbers stay in their limits', () => {
    assertTakes('CONCURRENCY', ['1', '500'], ['0', '501', '1.5', '-1', '0x10', '1e2', 'NaN'])
    assertTakes('MAX_ATTEMPTS', ['1', '100'], ['0', '101'])
    assertTakes('OPS_PORT', ['0', '65535'], ['65536'])
  })

  test('several app secrets, separated by commas', () => {
    assert.deepEqual(readSettings({ WHATSAPP_APP_SECRET: 'new, old,' }, []).WHATSAPP_APP_SECRET, [
      'new',
      'old',
    ])
    assertTakes('WHATSAPP_APP_SECRET', [], [',', ' , ,'])
  })

  test('words of a fixed form', () => {
    assertTakes('WHATSAPP_GRAPH_VERSION', ['v25.0', 'v26.1'], ['25.0', 'v25', 'v25.0/', 'latest'])
    assertTakes('STORAGE_BUCKET', ['attachments', 'a.b_c-1'], ['..', '.hidden', 'a/b', 'a b', 'ä'])
    assertTakes('LOG_LEVEL', ['trace', 'silent'], ['INFO', 'fatal'])
  })
})

suite('addresses', () => {
  const https = ['https://example.com', 'https://example.com:8443/base']
  const loopback = ['http://127.0.0.1:54321', 'http://localhost:1', 'http://[::1]:1']
  const never = [
    'http://example.com',
    'http://127.0.0.1.example.com',
    'http://localhost@example.com',
    'https://user@example.com',
    'https://:word@example.com',
    'ftp://127.0.0.1',
    'example.com',
    'https://',
  ]

  test('are https, and http to this machine alone', () => {
    for (const name of ['SUPABASE_URL', 'WHATSAPP_GRAPH_URL', 'ALERT_URL']) {
      assertTakes(name, [...https, ...loopback], never)
    }
  })

  test('to which paths are appended have no end of their own', () => {
    assert.equal(
      readSettings({ SUPABASE_URL: 'https://example.com//' }, []).SUPABASE_URL,
      'https://example.com',
    )
    assertTakes('SUPABASE_URL', [], ['https://example.com/?a=b', 'https://example.com#x'])
    assertTakes('ALERT_URL', ['https://example.com/?a=b/'], [])
  })

  test('of media hosts are names alone, and never all names', () => {
    assertTakes(
      'WHATSAPP_MEDIA_HOSTS',
      ['127.0.0.1', 'localhost,*.fbsbx.com', 'LOOKASIDE.fbsbx.com'],
      ['*', '*.com', '*.*.com', 'a.*.com', 'https://fbsbx.com', 'fbsbx.com:443', 'fbsbx.com/x', ',', 'a..b'],
    )
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
    assertTakes('OPS_TOKEN', ['0123456789abcdef'], ['0123456789abcde'])
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
