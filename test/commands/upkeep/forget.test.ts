import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { signBody } from '../../../supabase/functions/whatsapp-webhook/sign.ts'
import { type DaemonHome, daemonHome } from '../../crash/daemon-process.ts'
import { type TestProject, takeProject } from '../../support/project.ts'
import { startProxy } from '../../support/proxy.ts'
import { assertCarried, objectsOf, rowOf } from '../../support/rows.ts'
import { eventually } from '../../support/scene.ts'
import { commandsFor, keysOf, putObject } from './command.ts'

const LIMIT = { timeout: 90_000 }
const UPLOAD = 'POST /storage/v1/object/attachments/'
const PHONE = '15557654321'
const NAME = 'Forget Me'

const project = await takeProject()
const proxy = await startProxy(project.url)
const { run, start } = commandsFor(project)
const homes: DaemonHome[] = []
after(() => proxy.stop())
afterEach(async () => {
  proxy.passAll()
  await Promise.all(homes.splice(0).map(home => home.stop()))
})

const document = (seed: string, size: number, fields = {}) =>
  project.message('document', {
    from: PHONE,
    media: { seed, size, mimeType: 'application/pdf' },
    fields: { caption: `caption of ${seed}`, fileName: `${seed}.pdf`, ...fields },
  })

/** A message of that person which the webhook cannot take in. */
const UNREADABLE = Buffer.from(
  JSON.stringify({
    object: 'whatsapp_business_account',
    entry: [
      {
        changes: [{ field: 'messages', value: { metadata: {}, messages: [{ from: PHONE, id: 'wamid.X' }] } }],
      },
    ],
  }),
)

async function deliverUnreadable({ webhookUrl, appSecret }: TestProject): Promise<void> {
  const body = new Uint8Array(UNREADABLE)
  const headers = { 'x-hub-signature-256': await signBody(appSecret, body) }
  assert.equal((await fetch(webhookUrl, { method: 'POST', headers, body })).status, 200)
}

/** Every row of every table of ours as one text, bytes as text. */
async function everything(): Promise<string> {
  const { rows: tables } = await project.database.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relkind = 'r' and relnamespace::regnamespace::text in ('public', 'mediaferry')`,
  )
  const texts: string[] = []
  for (const { name } of tables) {
    texts.push(JSON.stringify((await project.database.query(`select * from ${name}`)).rows))
  }
  const { rows } = await project.database.query<{ payload: Buffer }>('select payload from rejected_payloads')
  return [...texts, ...rows.map(row => row.payload.toString())].join('\n')
}

async function leadOf(messageId: string): Promise<string> {
  const { lead_id } = await rowOf(project, messageId)
  assert.ok(lead_id !== null)
  return lead_id
}

test(
  'forget: in mid-stream, with a frozen daemon, before a redelivery, nothing of the person is left',
  LIMIT,
  async () => {
    const home = daemonHome(project)
    homes.push(home)
    const other = await project.message('image', { from: '15550009999' })
    const sent = [
      await document('done', 20_000),
      await document('streamed', 2 ** 21),
      await document('waits', 20_000),
    ]
    const [done, streamed, waits] = sent
    assert.ok(done && streamed && waits)
    await project.deliver(done, other)
    await project.database.query('update public.leads set profile_name = $1 where phone = $2', [NAME, PHONE])
    await deliverUnreadable(project)

    const daemon = await home.start({ SUPABASE_URL: proxy.url, CONCURRENCY: '1' })
    await daemon.settled(2)
    const upload = proxy.holdRequest(UPLOAD)
    await project.deliver(streamed, waits)
    await upload.arrived
    daemon.send('SIGSTOP')
    const lead = await leadOf(done.id)
    const rows = await Promise.all(sent.map(each => rowOf(project, each.id)))
    // What earlier claims may have left.
    for (const { object_prefix, id } of rows) {
      await putObject(project, `${object_prefix}/${id}-77.pdf`, Buffer.from('left over'))
    }

    const refused = await run(['forget', '--lead', lead])
    assert.deepEqual([refused.code, /--yes/.test(refused.err)], [1, true], 'nobody said yes')
    assert.match(
      refused.out,
      new RegExp(`^Lead ${lead}: ${PHONE}, ${NAME}\\n  3 files, 2 of them still on their way`),
    )
    assert.match(refused.out, /1 rejected payload with the phone/)
    assert.match(await everything(), new RegExp(PHONE))

    // Interrupted while it waits for the lease of the frozen daemon, which then runs out.
    const first = start(['forget', '--lead', lead, '--yes'])
    const waiting = new Promise<void>(resolve => {
      first.child.stdout?.on('data', chunk => String(chunk).includes('2/5') && resolve())
    })
    await Promise.race([
      waiting,
      first.ended.then(({ out, err }) => assert.fail(`it did not wait: ${out}${err}`)),
    ])
    first.child.kill('SIGINT')
    assert.equal((await first.ended).code, 130)
    await project.database.query('update public.leads set forget_after = now() where id = $1', [lead])
    const { code, out, err } = await run(['forget', '--lead', lead, '--yes'])
    assert.equal(code, 0, err)
    assert.match(out, /3\/5 removed from Storage: 4 objects of 3 files\n.*\n.*nothing is left/)

    const traces = [PHONE, NAME, 'caption of', '.pdf', 'wamid.X', ...sent.map(each => each.id)]
    const nothingIsLeft = async () => {
      const all = await everything()
      for (const trace of traces) assert.ok(!all.includes(trace), `${trace} is still there`)
      const prefixes = rows.map(row => `${row.object_prefix}/${row.id}-`)
      const keys = await keysOf(project)
      assert.deepEqual(
        keys.filter(key => prefixes.some(prefix => key.startsWith(prefix))),
        [],
      )
    }
    await nothingIsLeft()

    // It wakes up, finishes what it was sending, is told that the claim is lost, and removes its object.
    upload.release()
    daemon.send('SIGCONT')
    await daemon.until(entry => entry.msg === 'released' || entry.answer === 'lost')
    await eventually(nothingIsLeft)

    await project.deliver(...sent)
    await deliverUnreadable(project)
    await nothingIsLeft()
    await assertCarried(project, other)
    assert.equal((await objectsOf(project, await rowOf(project, other.id))).length, 1)

    const gone = await run(['forget', '--lead', lead, '--yes'])
    assert.equal(gone.code, 1)
    assert.match(gone.err, /forgotten already/)
  },
)
