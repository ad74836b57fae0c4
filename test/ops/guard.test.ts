import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { needOwnPage, refuseForeign, securityHeaders } from '../../src/ops/guard.ts'
import { Refusal } from '../../src/ops/refusal.ts'

const asked = (headers: Readonly<Record<string, string>>, method = 'GET', path = '/api/summary') => ({
  method,
  path,
  header: (name: string) => headers[name] ?? null,
})

const isRefused = (work: () => void): boolean => {
  try {
    work()
    return false
  } catch (error) {
    assert.ok(error instanceof Refusal)
    assert.equal(error.status, 403)
    return true
  }
}

describe('Host', () => {
  const cases: readonly (readonly [opsHost: string, host: string, refused: boolean])[] = [
    ['127.0.0.1', '127.0.0.1:8787', false],
    ['127.0.0.1', 'localhost:8787', false],
    ['127.0.0.1', 'LocalHost', false],
    ['127.0.0.1', '[::1]:8787', false],
    // Through a tunnel the port is another one.
    ['127.0.0.1', 'localhost:9000', false],
    ['127.0.0.1', 'evil.example:8787', true],
    ['127.0.0.1', '127.0.0.1.evil.example', true],
    ['127.0.0.1', 'localhost.evil.example', true],
    ['127.0.0.1', '192.168.1.5:8787', true],
    ['127.0.0.1', '', true],
    ['127.0.0.1', 'a b', true],
    ['127.0.0.1', 'localhost@evil.example', true],
    ['0.0.0.0', '192.168.1.5:8787', false],
    ['0.0.0.0', '[fd00::1]:8787', false],
    ['0.0.0.0', 'evil.example', true],
    ['ops.example.com', 'ops.example.com', false],
    ['ops.example.com', 'other.example.com', true],
  ]
  for (const [opsHost, host, refused] of cases) {
    test(`OPS_HOST ${opsHost} ${refused ? 'refuses' : 'takes'} Host "${host}"`, () => {
      assert.equal(
        isRefused(() => refuseForeign(opsHost, asked({ host }))),
        refused,
      )
    })
  }
})

describe('Origin and Sec-Fetch-Site', () => {
  const host = 'localhost:8787'
  const cases: readonly (readonly [Readonly<Record<string, string>>, boolean])[] = [
    [{}, false],
    [{ origin: 'http://localhost:8787' }, false],
    [{ origin: 'https://localhost:8787' }, false],
    [{ origin: 'http://localhost:3000' }, true],
    [{ origin: 'http://evil.example' }, true],
    [{ origin: 'null' }, true],
    [{ origin: 'ftp://localhost:8787' }, true],
    [{ 'sec-fetch-site': 'same-origin' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ 'sec-fetch-site': 'cross-site' }, true],
    [{ 'sec-fetch-site': 'same-site' }, true],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, true],
  ]
  for (const [headers, refused] of cases) {
    test(`${JSON.stringify(headers)} is ${refused ? 'refused' : 'taken'}`, () => {
      assert.equal(
        isRefused(() => refuseForeign('127.0.0.1', asked({ host, ...headers }))),
        refused,
      )
    })
  }

  test('a link to the page may stand anywhere, but not a form that posts to it', () => {
    const link = { host, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
    refuseForeign('127.0.0.1', asked(link, 'GET', '/'))
    assert.ok(isRefused(() => refuseForeign('127.0.0.1', asked(link, 'POST', '/'))))
  })
})

test('a change names its own page, or comes with a bearer token', () => {
  needOwnPage(asked({ origin: 'http://localhost:8787' }), false)
  needOwnPage(asked({ 'sec-fetch-site': 'same-origin' }), false)
  needOwnPage(asked({}), true)
  assert.ok(isRefused(() => needOwnPage(asked({}), false)))
})

test('pictures come from here and from the project, and nothing else from anywhere', () => {
  const policy = securityHeaders('https://abc.supabase.co/some/path')['content-security-policy'] ?? ''
  const rules = new Map(
    policy.split('; ').map(rule => [rule.split(' ')[0], rule.split(' ').slice(1).join(' ')]),
  )
  assert.equal(rules.get('default-src'), "'none'")
  assert.equal(rules.get('img-src'), "'self' https://abc.supabase.co")
  assert.equal(rules.get('media-src'), "'self' https://abc.supabase.co")
  for (const name of ['script-src', 'style-src', 'connect-src', 'form-action'])
    assert.equal(rules.get(name), "'self'")
  for (const name of ['frame-ancestors', 'base-uri']) assert.equal(rules.get(name), "'none'")
  assert.doesNotMatch(policy, /unsafe|\*/)
})
