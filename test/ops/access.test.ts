import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccess, FORM, tokenIn } from '../../src/ops/access.ts'
import { Refusal } from '../../src/ops/refusal.ts'

const TOKEN = 'a-token-of-sixteen'
const header = (headers: Readonly<Record<string, string>>) => (name: string) => headers[name] ?? null
const cookieIn = (setCookie: string) => header({ cookie: `other=1; ${setCookie.split(';')[0]}` })

test('the token as bearer is a proof, and nothing like it is', () => {
  const { proofOf, needed } = createAccess(TOKEN)
  assert.ok(needed)
  assert.equal(proofOf(header({ authorization: `Bearer ${TOKEN}` })), 'bearer')
  assert.equal(proofOf(header({ authorization: `bearer ${TOKEN}` })), 'bearer')
  for (const wrong of [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, 'Bearer ', `Basic ${TOKEN}`, TOKEN]) {
    assert.equal(proofOf(header({ authorization: wrong })), null, wrong)
  }
  assert.equal(proofOf(header({})), null)
})

test('a login gives a strict cookie, good for twelve hours', () => {
  let now = 1_000_000
  const access = createAccess(TOKEN, () => now)
  const cookie = access.logIn(TOKEN, false)
  assert.match(cookie, /^mediaferry_ops=\d+\.[\w-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/)
  assert.match(access.logIn(TOKEN, true), /; Secure$/)
  assert.doesNotMatch(cookie, new RegExp(TOKEN))
  assert.equal(access.proofOf(cookieIn(cookie)), 'cookie')
  now += 12 * 3_600_000 - 1
  assert.equal(access.proofOf(cookieIn(cookie)), 'cookie')
  now += 1
  assert.equal(access.proofOf(cookieIn(cookie)), null)
})

test('a session cannot be made up or made longer, and ends with its token or a logout', () => {
  const access = createAccess(TOKEN)
  const cookie = access.logIn(TOKEN, false)
  const [end = '', seal = ''] = (cookie.split(/[=;]/)[1] ?? '').split('.')
  const of = (value: string) => header({ cookie: `mediaferry_ops=${value}` })
  assert.equal(access.proofOf(of(`${end}.${seal}`)), 'cookie')
  for (const forged of [`${Number(end) + 1}.${seal}`, `${end}.`, `${end}`, '', `.${seal}`]) {
    assert.equal(access.proofOf(of(forged)), null, forged)
  }
  assert.equal(createAccess('another-token-of-ours').proofOf(cookieIn(cookie)), null)
  assert.equal(createAccess(TOKEN).proofOf(cookieIn(cookie)), 'cookie', 'a restart keeps it')
  assert.match(access.logOut(cookieIn(cookie)), /^mediaferry_ops=; .*Max-Age=0/)
  assert.equal(access.proofOf(cookieIn(cookie)), null)
  assert.equal(access.proofOf(of(`${end}.${seal}.x`)), null, 'nor does a longer spelling outlive the logout')
})

test('a wrong token is refused without being repeated', () => {
  const access = createAccess(TOKEN)
  assert.throws(
    () => access.logIn('wrong-token', false),
    (error: unknown) =>
      error instanceof Refusal && error.status === 401 && !error.message.includes('wrong-token'),
  )
})

test('without OPS_TOKEN nobody is asked, and no bearer counts as one', () => {
  const access = createAccess(undefined)
  assert.equal(access.needed, false)
  assert.equal(access.proofOf(header({ authorization: 'Bearer ' })), null)
  assert.equal(access.proofOf(header({ authorization: 'Bearer undefined' })), null)
})

test('the token of a login is read from JSON or a form', () => {
  assert.equal(tokenIn('application/json', '{"token":"t"}'), 't')
  assert.equal(tokenIn(FORM, 'token=a%26b'), 'a&b')
  for (const [type, body] of [
    ['application/json', '{}'],
    ['application/json', 'no'],
    ['application/json', '{"token":1}'],
    [FORM, 'tok=1'],
    [FORM, 'token=1&token=2'],
  ] as const) {
    assert.throws(
      () => tokenIn(type, body),
      (error: unknown) => error instanceof Refusal && error.status === 400,
    )
  }
})
