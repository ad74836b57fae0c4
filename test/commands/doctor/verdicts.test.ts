import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { runChecks } from '../../../src/commands/doctor/checks.ts'
import { clockVerdict, type DatabaseCheckup, databaseVerdict } from '../../../src/commands/doctor/database.ts'
import { ok, type Verdict } from '../../../src/commands/doctor/finding.ts'
import { diskVerdict, settingsVerdict } from '../../../src/commands/doctor/machine.ts'
import { bucketVerdict } from '../../../src/commands/doctor/storage.ts'
import { askAboutToken, tokenVerdict } from '../../../src/commands/doctor/token.ts'
import { type WebhookAnswers, webhookVerdict } from '../../../src/commands/doctor/webhook.ts'

const MB = 2 ** 20
const NOW = 1_800_000_000
const found = {
  missing_functions: [],
  closed_functions: [],
  open_functions: [],
  open_tables: [],
  announced_tables: [],
  now: '',
}
const clock = (aheadMs: number): DatabaseCheckup => ({ found, aheadMs })
const token = (data: object, status = 200) => tokenVerdict({ status, body: { data } }, NOW)
const refused = { status: 401, text: 'Signature wrong' }
const taken = { status: 200, text: 'ok' }
const shaken = { status: 200, text: 'mediaferry-doctor' }
const webhook = (answers: Partial<WebhookAnswers>) =>
  webhookVerdict({ forged: refused, signed: taken, handshake: shaken, ...answers })
const room = (megabytes: number) => diskVerdict({ folder: '/srv', freeBytes: megabytes * MB })

const table: readonly (readonly [string, Verdict, Verdict['level'], RegExp])[] = [
  ['clock: right', clockVerdict(clock(400)), 'ok', /within 1 s/],
  ['clock: a quarter of a minute ahead', clockVerdict(clock(15_000)), 'warning', /15 s ahead of.*/],
  ['clock: an hour behind', clockVerdict(clock(-3_600_000)), 'failure', /3600 s behind.*timedatectl/],
  ['clock: nobody to compare with', clockVerdict(null), 'warning', /not looked at/],
  ['database: key', databaseVerdict({ code: 'credentials', message: 'no' }), 'failure', /API Keys/],
  ['database: away', databaseVerdict({ code: 'unreachable', message: 'no' }), 'failure', /paused/],
  ['disk: room', room(5000), 'ok', /4\.88GB free/],
  ['disk: tight', room(100), 'warning', /nearly full/],
  ['disk: full', room(5), 'failure', /is full.*pm2/],
  ['disk: no folder', diskVerdict({ folder: '/srv', trouble: 'ENOENT' }), 'failure', /mkdir -p \/srv/],
  ['.env for all to read', settingsVerdict(0o100644), 'warning', /chmod 600/],
  ['.env for its owner', settingsVerdict(0o100600), 'ok', /complete/],
  ['no .env', settingsVerdict(null), 'ok', /complete/],
  [
    'bucket: hosted, where the plan has a say too',
    bucketVerdict('a', { public: false, file_size_limit: null }, 100 * MB, 'https://x.supabase.co'),
    'ok',
    /free plan stops at 50MB/,
  ],
  ['token: for ever', token({ is_valid: true, expires_at: 0 }), 'ok', /does not expire/],
  ['token: for a month', token({ is_valid: true, expires_at: NOW + 30 * 86_400 }), 'ok', /30 days/],
  ['token: for a day', token({ is_valid: true, expires_at: NOW + 3600 }), 'warning', /less than a day/],
  ['token: over', token({ is_valid: true, expires_at: NOW - 1 }), 'failure', /expired on/],
  ['token: revoked', token({ is_valid: false, error: { message: 'gone' } }), 'failure', /gone/],
  [
    'token: not one at all',
    token({ is_valid: false, error: { message: 'Malformed access token EAAabcdefghijklmnop' } }),
    'failure',
    /Malformed access token \[secret\]/,
  ],
  ['token: of no use', token({ is_valid: true, scopes: ['email'] }), 'failure', /no permission/],
  [
    'token: refused',
    tokenVerdict({ status: 401, body: { error: { code: 190, message: 'EAAabcdefghijklmnop' } } }, NOW),
    'failure',
    /\[secret\].*System users/,
  ],
  [
    'token: not to be asked about',
    tokenVerdict({ status: 400, body: { error: { code: 100, message: 'no' } } }, NOW),
    'warning',
    /sweep/,
  ],
  ['token: a page', tokenVerdict({ status: 502, body: undefined }, NOW), 'failure', /answered 502/],
  ['webhook: whole', webhook({}), 'ok', /handshake/],
  ['webhook: not deployed', webhook({ forged: { status: 404, text: '' } }), 'failure', /functions deploy/],
  ['webhook: not running', webhook({ forged: { status: 503, text: '' } }), 'failure', /does not run/],
  ['webhook: no secrets', webhook({ forged: { status: 500, text: '' } }), 'failure', /secrets set/],
  ['webhook: anything goes', webhook({ forged: taken }), 'failure', /forged signature/],
  [
    'webhook: the platform asks for a token',
    webhook({ forged: { status: 401, text: '{"code":401,"message":"Missing authorization header"}' } }),
    'failure',
    /verify_jwt = false/,
  ],
  ['webhook: odd', webhook({ forged: { status: 418, text: '' } }), 'failure', /418/],
  ['webhook: another secret', webhook({ signed: refused }), 'failure', /another app secret/],
  ['webhook: cannot commit', webhook({ signed: { status: 500, text: '' } }), 'failure', /500 to a signed/],
  ['webhook: another token', webhook({ handshake: { status: 403, text: '' } }), 'failure', /verify token/],
  [
    'webhook: secrets unset here',
    webhook({ signed: null, handshake: null }),
    'warning',
    /SECRET and WHATSAPP_VERIFY/,
  ],
]

for (const [what, verdict, level, says] of table) {
  test(`${what}: ${level}`, () => {
    assert.equal(verdict.level, level, verdict.message)
    assert.match(`${verdict.message} ${verdict.fix ?? ''}`, says)
    assert.equal(verdict.fix === undefined, level === 'ok', 'whatever is not well says what to do')
  })
}

test('a check that throws or does not answer is a failure, and keeps no other from answering', async () => {
  const check = { otherwise: 'type this', timeoutMs: 20 }
  const findings = await runChecks([
    { ...check, name: 'a', look: () => new Promise<Verdict>(() => undefined) },
    { ...check, name: 'b', look: () => Promise.reject(new Error('broken')) },
    { ...check, name: 'c', look: async () => ok('fine') },
  ])
  assert.deepEqual(findings, [
    { check: 'a', level: 'failure', message: 'No answer within 0.02 s.', fix: 'type this' },
    { check: 'b', level: 'failure', message: 'broken', fix: 'type this' },
    { check: 'c', level: 'ok', message: 'fine' },
  ])
})

test('a token that WhatsApp repeats, whatever it looks like, is not shown', async t => {
  const server = createServer((request, response) => {
    const message = `Malformed access token ${request.headers.authorization?.slice('Bearer '.length)}`
    response.writeHead(400).end(JSON.stringify({ error: { code: 190, message } }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const graph = { url: `http://127.0.0.1:${port}`, version: 'v25.0', token: 'not-in-the-form-of-a-token' }
  const { message } = tokenVerdict(await askAboutToken(graph, new AbortController().signal), NOW)
  assert.match(message, /Malformed access token \[secret\]/)
})
