import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Finding } from '../../src/commands/doctor/finding.ts'
import { findingsFor } from '../../src/commands/doctor.ts'
import { daemonEnvironment } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-doctor-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const good = {
  ...daemonEnvironment(project, join(folder, 'state.sqlite')),
  WHATSAPP_APP_SECRET: project.appSecret,
  WHATSAPP_VERIFY_TOKEN: project.verifyToken,
  CANARY_TIMEOUT: '2s',
}

const sql = (text: string) => async () => {
  await project.database.query(text)
}
/** A daemon that beats, as far as the database knows. */
const beat = sql(`insert into public.realtime_canary (worker, state, version) values ('alive', 'running', '0')
  on conflict (worker) do update set last_seen = now(), state = 'running'`)
await beat()

const bad = (findings: readonly Finding[]) =>
  Object.fromEntries(findings.flatMap(({ check, level }) => (level === 'ok' ? [] : [[check, level]])))

test('a whole project is content in every line, and nothing is left behind', async () => {
  const findings = await findingsFor(good)
  assert.deepEqual(bad(findings), {}, JSON.stringify(findings, null, 1))
  assert.equal(findings.length, 13)
  const { rows } = await project.database.query('select worker from public.realtime_canary')
  assert.deepEqual(rows, [{ worker: 'alive' }])
  const left = await project.database.query("select name from storage.objects where name like '.probe/%'")
  assert.deepEqual(left.rows, [])
})

interface Broken {
  readonly what: string
  readonly settings?: Readonly<Record<string, string>>
  readonly breaks?: () => Promise<unknown>
  readonly mends?: () => Promise<unknown>
  /** What is not ok, by check. */
  readonly found: Readonly<Record<string, 'warning' | 'failure'>>
  /** In the message or the fix of the first of them. */
  readonly says: RegExp
}

const function99 = (version: number) =>
  `create or replace function public.mediaferry_schema() returns jsonb language sql stable security invoker
   set search_path = '' as $$ select jsonb_build_object('version', ${version}) $$`
const bucket = (set: string) => sql(`update storage.buckets set ${set} where id = 'attachments'`)

const table: readonly Broken[] = [
  {
    what: 'no daemon',
    breaks: sql("update public.realtime_canary set state = 'stopped'"),
    mends: beat,
    found: { daemons: 'failure' },
    says: /None is alive: the last, alive, was seen .*mediaferry start.*pm2 start ecosystem\.config\.cjs/,
  },
  {
    what: 'no daemon yet',
    breaks: sql('delete from public.realtime_canary'),
    mends: beat,
    found: { daemons: 'warning' },
    says: /None has been seen.*mediaferry start/,
  },
  {
    what: 'a pause',
    breaks: sql("select public.set_pipeline_paused(true, 'ann', 'moving')"),
    mends: sql('select public.set_pipeline_paused(false, null, null)'),
    found: { pause: 'warning' },
    says: /Paused since .* by ann: moving.*mediaferry resume/,
  },
  {
    what: 'newer migrations',
    breaks: sql(function99(99)),
    mends: sql(function99(2)),
    found: { database: 'failure' },
    says: /Update mediaferry/,
  },
  {
    what: 'older migrations',
    breaks: sql(function99(1)),
    mends: sql(function99(2)),
    found: { database: 'failure' },
    says: /db push --remote/,
  },
  {
    what: 'a function that the daemon may not call',
    breaks: sql('revoke execute on function public.settle_attachments(text, jsonb) from service_role'),
    mends: sql('grant execute on function public.settle_attachments(text, jsonb) to service_role'),
    found: { functions: 'failure' },
    says: /settle_attachments.*grant execute on function public\.settle_attachments/s,
  },
  {
    what: 'a function that everybody may call',
    breaks: sql('grant execute on function public.retry_attachments(bigint[], text, integer) to anon'),
    mends: sql('revoke execute on function public.retry_attachments(bigint[], text, integer) from anon'),
    found: { functions: 'failure' },
    says: /retry_attachments.*revoke execute/s,
  },
  {
    what: 'a table without row level security',
    breaks: sql('alter table public.leads disable row level security'),
    mends: sql('alter table public.leads enable row level security'),
    found: { functions: 'failure' },
    says: /alter table public\.leads enable row level security/,
  },
  {
    what: 'a publication without the canaries: Realtime is deaf',
    breaks: sql('alter publication supabase_realtime drop table public.realtime_canary'),
    mends: sql('alter publication supabase_realtime add table public.realtime_canary'),
    found: { publication: 'failure', Realtime: 'warning' },
    says: /add table public\.realtime_canary/,
  },
  {
    what: 'a public bucket',
    breaks: bucket('public = true'),
    mends: bucket('public = false'),
    found: { bucket: 'failure' },
    says: /public = false where id = 'attachments'/,
  },
  {
    what: 'a bucket for small files only',
    breaks: bucket('file_size_limit = 52428800'),
    mends: bucket('file_size_limit = 104857600'),
    found: { bucket: 'warning' },
    says: /stops at 50MB, MAX_FILE_SIZE is 100MB/,
  },
  {
    what: 'a bucket for some types only',
    breaks: bucket("allowed_mime_types = '{image/png}'"),
    mends: bucket('allowed_mime_types = null'),
    found: { bucket: 'failure', upload: 'failure' },
    says: /allowed_mime_types = null/,
  },
  {
    what: 'no such bucket',
    settings: { STORAGE_BUCKET: 'elsewhere' },
    found: { bucket: 'failure', upload: 'failure' },
    says: /no bucket elsewhere/,
  },
  {
    what: 'a token that WhatsApp refuses',
    settings: { WHATSAPP_ACCESS_TOKEN: 'EAAother' },
    found: { token: 'failure' },
    says: /does not accept the token/,
  },
  {
    what: 'a token that expires soon',
    breaks: () => project.control('POST', 'token', { expiresAt: Math.floor(Date.now() / 1000) + 90_000 }),
    mends: () => project.control('POST', 'token', { expiresAt: 0 }),
    found: { token: 'warning' },
    says: /in 1 days/,
  },
  {
    what: 'another app secret',
    settings: { WHATSAPP_APP_SECRET: 'other' },
    found: { webhook: 'failure' },
    says: /another app secret/,
  },
  {
    what: 'another verify token',
    settings: { WHATSAPP_VERIFY_TOKEN: 'other' },
    found: { webhook: 'failure' },
    says: /another verify token/,
  },
  {
    what: 'no folder for the state file',
    settings: { STATE_FILE: join(folder, 'missing', 'state.sqlite') },
    found: { disk: 'failure' },
    says: /mkdir -p/,
  },
  {
    what: 'a key that the project does not know',
    settings: { SUPABASE_SECRET_KEY: 'sb_secret_of_another_project_altogether' },
    found: {
      database: 'failure',
      functions: 'warning',
      publication: 'warning',
      Realtime: 'failure',
      bucket: 'warning',
      upload: 'warning',
      daemons: 'warning',
      pause: 'warning',
      clock: 'warning',
    },
    says: /SUPABASE_SECRET_KEY/,
  },
  {
    what: 'a project that is not there',
    settings: { SUPABASE_URL: 'http://127.0.0.1:9' },
    found: {
      database: 'failure',
      functions: 'warning',
      publication: 'warning',
      Realtime: 'failure',
      bucket: 'failure',
      upload: 'failure',
      webhook: 'failure',
      daemons: 'warning',
      pause: 'warning',
      clock: 'warning',
    },
    says: /SUPABASE_URL/,
  },
  {
    what: 'a setting that is wrong',
    settings: { LEASE: 'long' },
    found: { settings: 'failure' },
    says: /LEASE "long" is not a duration/,
  },
]

for (const { what, settings = {}, breaks, mends, found, says } of table) {
  test(`${what}: ${Object.entries(found)
    .map(pair => pair.join(' '))
    .join(', ')}`, async () => {
    await breaks?.()
    try {
      const findings = await findingsFor({ ...good, ...settings })
      assert.deepEqual(bad(findings), found, JSON.stringify(findings, null, 1))
      const first = findings.find(({ level }) => level !== 'ok')
      assert.match(`${first?.message} ${first?.fix}`, says)
      const whole = JSON.stringify(findings)
      for (const secret of [project.secretKey, project.accessToken, project.appSecret]) {
        assert.ok(!whole.includes(secret), 'no secret is shown')
      }
    } finally {
      await mends?.()
    }
  })
}
