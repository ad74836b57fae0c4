import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UserError } from '../../src/errors.ts'
import { tokenHosts } from '../../src/transfer/hosts.ts'

const META = ['graph.facebook.com', '*.fbsbx.com', '*.fbcdn.net', '*.whatsapp.net']
const meta = tokenHosts('https://graph.facebook.com', META)
const local = tokenHosts('http://127.0.0.1:4001', ['*.fbsbx.com', '127.0.0.1', 'localhost:4003'])

const allows = (hosts: typeof meta, address: string) => 'url' in hosts.check(address)

test('the token goes to Meta over https', () => {
  for (const address of [
    'https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2&hash=3',
    'https://LOOKASIDE.FBSBX.COM/x',
    'https://a.b.c.fbcdn.net/x',
    'https://media.whatsapp.net:443/x',
    'https://graph.facebook.com/x',
  ]) {
    assert.ok(allows(meta, address), address)
  }
})

test('and to nobody who looks like Meta', () => {
  for (const address of [
    'http://lookaside.fbsbx.com/x',
    'https://fbsbx.com/x',
    'https://evilfbsbx.com/x',
    'https://lookaside.fbsbx.com.evil.example/x',
    'https://lookaside.fbsbx.com@evil.example/x',
    'https://user:pass@lookaside.fbsbx.com/x',
    'https://lookaside.fbsbx.com./x',
    'https://lookaside.fbsbx.com:8443/x',
    'https://evil.example/lookaside.fbsbx.com',
    'https://evil.example\\.fbsbx.com/x',
    'https://evil.example#.fbsbx.com/x',
    'https://evil.example?.fbsbx.com/x',
    'https://xn--fbsbx-eva.com/x',
    'https://graph.facebook.com.evil.example/',
    'ftp://lookaside.fbsbx.com/x',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'data:text/plain,x',
    '//lookaside.fbsbx.com/x',
    'lookaside.fbsbx.com',
    '',
  ]) {
    assert.ok(!allows(meta, address), address)
  }
})

test('never to this machine, however its number is written, unless Graph is on it too', () => {
  const ways = ['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', 'localhost', '[::1]', '127.0.0.9']
  const open = tokenHosts('https://graph.facebook.com', [...META, '127.0.0.1', 'localhost'])
  for (const way of ways) {
    for (const scheme of ['http', 'https']) assert.ok(!allows(open, `${scheme}://${way}/x`), way)
  }
  assert.ok(!allows(meta, 'https://[::ffff:127.0.0.1]/x'))
  assert.ok(!allows(meta, 'https://169.254.169.254/latest/meta-data'))
})

test('with Graph on loopback, http goes to loopback and nowhere else', () => {
  assert.ok(allows(local, 'http://127.0.0.1:4001/x'), 'Graph itself')
  assert.ok(allows(local, 'http://127.0.0.1:4002/x'), 'a named loopback host at any port')
  assert.ok(allows(local, 'http://localhost:4003/x'), 'a named port')
  assert.ok(!allows(local, 'http://localhost:4004/x'), 'another port than the named one')
  assert.ok(!allows(local, 'http://[::1]:4003/x'), 'a loopback host that is not named')
  assert.ok(!allows(local, 'http://lookaside.fbsbx.com/x'))
  assert.ok(allows(local, 'https://lookaside.fbsbx.com/x'))
})

test('a redirect is read against the address before it', () => {
  const base = new URL('https://lookaside.fbsbx.com/a/b?c=d')
  const checked = meta.check('../e?f=g', base)
  assert.equal('url' in checked && checked.url.href, 'https://lookaside.fbsbx.com/e?f=g')
  assert.ok('refused' in meta.check('//evil.example/x', base))
})

test('the reason for a refusal names the host and not the address', () => {
  const checked = meta.check('https://evil.example/x?signature=abc')
  assert.deepEqual(checked, { refused: 'the host evil.example is not among WHATSAPP_MEDIA_HOSTS' })
})

test('a rule that is no host is named at start', () => {
  for (const rule of [
    '*',
    '*.com',
    '*.',
    'https://x.com',
    'a.*.com',
    'a b.com',
    'x.com/y',
    '*.a..com',
    '2130706433',
    '.com',
    'x.com.',
  ]) {
    assert.throws(
      () => tokenHosts('https://graph.facebook.com', [rule]),
      (error: unknown) => {
        return error instanceof UserError && error.message.includes(`"${rule}"`)
      },
    )
  }
  assert.ok(
    allows(tokenHosts('https://graph.facebook.com', ['Media.Example:8443']), 'https://media.example:8443/'),
  )
})

test('whatever the address, what is allowed is https on a Meta host', () => {
  const part = fc.oneof(
    fc.constantFrom(
      'https:',
      'http:',
      '//',
      '/',
      '\\',
      '@',
      ':',
      '.',
      '#',
      '?',
      '%2e',
      '\t',
      '\n',
      '\u3002',
      '\u200b',
    ),
    fc.constantFrom(
      'lookaside.fbsbx.com',
      '.fbsbx.com',
      'fbcdn.net',
      'graph.facebook.com',
      'evil.example',
      '127.1',
    ),
    fc.string({ maxLength: 6, unit: 'binary' }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), parts => {
      const checked = meta.check(parts.join(''))
      if ('refused' in checked) return
      assert.equal(checked.url.protocol, 'https:')
      assert.equal(checked.url.username + checked.url.password + checked.url.port, '')
      assert.match(
        checked.url.hostname,
        /^(?:graph\.facebook\.com|[^.].*\.(?:fbsbx\.com|fbcdn\.net|whatsapp\.net))$/,
      )
    }),
    { numRuns: 1500 },
  )
})
