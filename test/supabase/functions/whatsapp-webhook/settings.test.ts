import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSettings } from '../../../../supabase/functions/whatsapp-webhook/settings.ts'

const GOOD = {
  SUPABASE_URL: 'https://x.supabase.co',
  SUPABASE_SERVICE_ROLE_KEY: 'legacy',
  WHATSAPP_APP_SECRET: 'one',
  WHATSAPP_VERIFY_TOKEN: 'token',
}

function read(changes: Record<string, string> = {}) {
  const env = new Map<string, string>(Object.entries({ ...GOOD, ...changes }))
  return readSettings(name => env.get(name))
}

test('defaults', () => {
  assert.deepEqual(read(), {
    settings: {
      supabaseUrl: 'https://x.supabase.co',
      supabaseKey: 'legacy',
      appSecrets: ['one'],
      verifyToken: 'token',
      bucket: 'attachments',
      maxAttempts: 5,
    },
    faults: [],
  })
  const { settings } = read({ STORAGE_BUCKET: 'files', MAX_ATTEMPTS: '7' })
  assert.equal(settings?.bucket, 'files')
  assert.equal(settings?.maxAttempts, 7)
})

test('several secrets, blanks aside', () => {
  assert.deepEqual(read({ WHATSAPP_APP_SECRET: ' a, b ,,c ' }).settings?.appSecrets, ['a', 'b', 'c'])
})

test('the key: the dictionary first, its default first of all', () => {
  const key = (json: string) => read({ SUPABASE_SECRET_KEYS: json }).settings?.supabaseKey
  assert.equal(key('{"backup":"sb_1","default":"sb_2"}'), 'sb_2')
  assert.equal(key('{"backup":"sb_1"}'), 'sb_1')
  for (const nothing of ['', '{}', 'null', '[]', 'not json', '{"default":5}', '{"default":""}']) {
    assert.equal(key(nothing), 'legacy', nothing)
  }
})

test('nothing is served without a secret, a key, an address or with a wrong number', () => {
  for (const secret of ['', ' ', ',', ' , ']) {
    const { settings, faults } = read({ WHATSAPP_APP_SECRET: secret })
    assert.equal(settings, null)
    assert.match(faults.join(), /WHATSAPP_APP_SECRET is missing/)
  }
  assert.equal(read({ SUPABASE_SERVICE_ROLE_KEY: '' }).settings, null)
  assert.equal(read({ SUPABASE_URL: 'x' }).settings, null)
  for (const attempts of ['0', '-1', '1.5', 'many', '101', '1000']) {
    assert.equal(read({ MAX_ATTEMPTS: attempts }).settings, null, attempts)
  }
})

test('without a verify token messages still come in', () => {
  const { settings, faults } = read({ WHATSAPP_VERIFY_TOKEN: '' })
  assert.equal(settings?.verifyToken, null)
  assert.equal(faults.length, 1)
})

test('all faults at once, and no value in any', () => {
  const { faults } = readSettings(() => undefined)
  for (const name of [
    'SUPABASE_URL',
    'SUPABASE_SECRET_KEYS',
    'WHATSAPP_APP_SECRET',
    'WHATSAPP_VERIFY_TOKEN',
  ]) {
    assert.match(faults.join('\n'), new RegExp(name))
  }
  assert.doesNotMatch(read({ MAX_ATTEMPTS: 'hunter2' }).faults.join(), /hunter2/)
})
