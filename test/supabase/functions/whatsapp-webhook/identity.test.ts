import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { phoneDigits, senderOf } from '../../../../supabase/functions/whatsapp-webhook/identity.ts'

const ANNA = { wa_id: '491511', user_id: 'DE.1', profile: { name: 'Anna' } }
const BERT = { wa_id: '491522', profile: { name: 'Bert' } }

test('a phone, a user id, or both together', () => {
  assert.deepEqual(senderOf({ from: '491511' }, { contacts: [ANNA, BERT] }), {
    user_id: 'DE.1',
    phone: '491511',
    profile_name: 'Anna',
  })
  assert.deepEqual(senderOf({ from: '491522' }, { contacts: [ANNA, BERT] }), {
    user_id: null,
    phone: '491522',
    profile_name: 'Bert',
  })
  assert.deepEqual(senderOf({ from_user_id: 'DE.1' }, { contacts: [BERT, ANNA] }), {
    user_id: 'DE.1',
    phone: '491511',
    profile_name: 'Anna',
  })
})

test('the message is believed without any contact', () => {
  const nobody = { user_id: null, phone: null, profile_name: null }
  assert.deepEqual(senderOf({ from: '491511' }, {}), { ...nobody, phone: '491511' })
  assert.deepEqual(senderOf({ from_user_id: 'US.9' }, { contacts: 'x' }), { ...nobody, user_id: 'US.9' })
})

test('the only contact fills in what the message leaves out', () => {
  const onlyUserId = { user_id: 'US.9', profile: { name: 'Zoe', username: 'zoe' } }
  assert.deepEqual(senderOf({}, { contacts: [onlyUserId] }), {
    user_id: 'US.9',
    phone: null,
    profile_name: 'Zoe',
  })
  assert.deepEqual(senderOf({ from: '491511' }, { contacts: [onlyUserId] }), {
    user_id: 'US.9',
    phone: '491511',
    profile_name: 'Zoe',
  })
})

test('a contact that says otherwise is somebody else', () => {
  const stranger = { user_id: null, phone: '491533', profile_name: null }
  assert.deepEqual(senderOf({ from: '491533' }, { contacts: [ANNA] }), stranger)
  assert.deepEqual(senderOf({ from: '491533' }, { contacts: [ANNA, BERT] }), stranger)
  assert.deepEqual(senderOf({ from: '491511', from_user_id: 'DE.2' }, { contacts: [ANNA] }), {
    user_id: 'DE.2',
    phone: '491511',
    profile_name: null,
  })
})

test('with neither a phone nor a user id there is nobody', () => {
  assert.equal(senderOf({}, {}), null)
  assert.equal(senderOf({ from_user_id: `DE.${'1'.repeat(254)}` }, {}), null)
  assert.equal(
    senderOf({ from: 'abc', from_user_id: 'a b' }, { contacts: [{ profile: { name: 'X' } }] }),
    null,
  )
  assert.equal(senderOf({}, { contacts: [ANNA, BERT] }), null)
  assert.equal(senderOf({}, { contacts: [null, 3, []] }), null)
})

test('phones are digits', () => {
  assert.equal(phoneDigits('+49 (151) 123-45.678'), '4915112345678')
  for (const bad of ['', '+', 'US.1349', '1'.repeat(21), '12a', 49151, null, '１２'])
    assert.equal(phoneDigits(bad), null)
  fc.assert(fc.property(fc.anything(), value => assert.match(phoneDigits(value) ?? '0', /^\d{1,20}$/)))
})
