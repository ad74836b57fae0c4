import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readSettings } from '../src/settings.ts'
import { assertTakes, faultsOf } from './support/settings.ts'

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
