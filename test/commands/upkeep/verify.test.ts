import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import { takeProject } from '../../support/project.ts'
import { jpeg, openScene, type Sent } from '../../support/scene.ts'
import { commandsFor, keysOf, putObject, removeObjects } from './command.ts'

const LIMIT = { timeout: 60_000 }
const project = await takeProject()
const scene = openScene(project)
const { run, start } = commandsFor(project)

const verified = z.object({
  checked: z.number(),
  problems: z.array(z.object({ id: z.number(), problem: z.string(), repair: z.string().nullable() })),
  next_after: z.number().nullable(),
})
const verdicts = (text: string) => verified.parse(JSON.parse(text))

/** So many files in Storage, by a daemon that is stopped again. */
async function carried(count: number): Promise<{ sent: Sent[]; ids: number[]; keys: string[] }> {
  const sent = await scene.files(count)
  await scene.deliver(...sent)
  const daemon = await scene.daemon()
  await daemon.settled(count)
  await daemon.stop()
  const rows = await Promise.all(sent.map(each => scene.uploaded(each)))
  return { sent, ids: rows.map(row => Number(row.id)), keys: rows.map(row => row.object_key) }
}

test(
  'verify finds what is missing or wrong, and --repair has it fetched again while Meta has it',
  LIMIT,
  async () => {
    const { sent, ids, keys } = await carried(5)
    const [missing = '', size = '', bytes = '', lost = ''] = keys
    assert.deepEqual(verdicts((await run(['verify', '--deep', '--json'])).out), {
      checked: 5,
      problems: [],
      next_after: null,
    })
    await removeObjects(project, [missing, lost])
    await putObject(project, size, Buffer.from('short'))
    await putObject(project, bytes, jpeg('other'))
    await project.database.query('update public.attachments set expires_at = now() where id = $1', [ids[3]])

    const shallow = await run(['verify', '--json'])
    assert.equal(shallow.code, 1)
    const byId = [...ids].sort((one, other) => one - other)
    const problem = (id: number) => ({
      id,
      problem: id === ids[1] ? 'size' : id === ids[2] ? 'bytes' : 'missing',
      repair: null,
    })
    const seen = byId.filter(id => id !== ids[2] && id !== ids[4])
    const expected = { checked: 5, problems: seen.map(problem), next_after: null }
    assert.deepEqual(verdicts(shallow.out), expected)

    const { code, out } = await run(['verify', '--deep', '--repair'])
    assert.equal(code, 1, 'one is lost')
    assert.match(out, /^5 checked, 4 not as they should be, 3 of them will be fetched again$/m)
    assert.match(out, new RegExp(`^ *${ids[2]} +other bytes than were stored .* is being fetched$`, 'm'))
    assert.match(out, new RegExp(`^ *${ids[3]} +not in Storage .* lost: Meta has deleted it$`, 'm'))

    const daemon = await scene.daemon()
    await daemon.settled(3)
    for (const each of sent.filter((_, at) => at !== 3)) await scene.uploaded(each)
  },
)

test('verify goes on from where its limit, Ctrl-C or an outage has ended it', LIMIT, async () => {
  const { ids } = await carried(4)
  const [first = 0, second = 0, third = 0] = ids.sort((one, other) => one - other)
  const part = await run(['verify', '--limit', '2'])
  assert.equal(part.code, 0)
  assert.match(part.out, new RegExp(`^2 checked.*\\n.*verify --after ${second}\\b`))

  const proxy = await scene.storageProxy()
  const oneByOne = { SUPABASE_URL: proxy.url, CONCURRENCY: '1' }
  const held = Promise.withResolvers<void>()
  const key = new RegExp(`^GET /object/attachments/.*/${third}-`)
  proxy.fail(held.promise, { on: key, times: 1 })
  const running = start(['verify', '--deep', '--after', String(first)], oneByOne)
  await proxy.asked(key)
  running.child.kill('SIGINT')
  const stopped = await running.ended
  held.resolve()
  assert.equal(stopped.code, 130, stopped.err)
  assert.match(stopped.out, new RegExp(`^1 checked.*\\n.*verify --after ${second}\\b`))

  proxy.fail({ status: 500, body: { message: 'down' } }, { on: new RegExp(`/${third}-`) })
  const down = await run(['verify'], oneByOne)
  assert.equal(down.code, 1)
  assert.match(down.out, new RegExp(`verify --after ${second}\\b`))
  assert.match(down.err, /Storage: down/)
})

test('--orphans lists what no row names, and --repair removes only what nobody can need', LIMIT, async () => {
  const { keys } = await carried(1)
  const [waiting, failed] = await scene.files(2)
  assert.ok(waiting && failed)
  await scene.deliver(waiting, failed)
  const [open, broken] = [await scene.row(waiting), await scene.row(failed)]
  await project.database.query(
    `update public.attachments set upload_status = 'FAILED', error_code = 'integrity' where id = $1`,
    [broken.id],
  )
  const named = keys[0] ?? ''
  const gone = 'unassigned/999999999-1.jpg'
  const replaced = named.replace(/-\d+\.jpg$/, '-77.jpg')
  const probe = `.probe/${randomUUID()}.bin`
  const ofFailed = `${broken.object_prefix}/${broken.id}-1.jpg`
  const ofOpen = `${open.object_prefix}/${open.id}-1.jpg`
  for (const key of [gone, replaced, probe, ofFailed, ofOpen, 'logo/ours.jpg']) {
    await putObject(project, key, Buffer.from('orphan'))
  }
  const args = ['verify', '--orphans', '--older-than', '0s']
  const found = z
    .object({
      orphans: z.array(z.object({ object_key: z.string(), kind: z.string(), size_bytes: z.number() })),
    })
    .parse(JSON.parse((await run([...args, '--json'])).out))
  const kinds = Object.fromEntries(found.orphans.map(each => [each.object_key, each.kind]))
  const expected = {
    [gone]: 'gone',
    [replaced]: 'replaced',
    [probe]: 'probe',
    [ofFailed]: 'failed',
    'logo/ours.jpg': 'foreign',
  }
  for (const [key, kind] of Object.entries(expected)) assert.equal(kinds[key], kind, key)
  assert.ok(!(named in kinds) && !(ofOpen in kinds))
  assert.equal(found.orphans.find(each => each.object_key === gone)?.size_bytes, 6)

  const unsure = await run([...args, '--repair'])
  assert.equal(unsure.code, 1)
  assert.match(unsure.err, /--yes/)
  const { code, out } = await run([...args, '--repair', '--yes'])
  assert.equal(code, 0, out)
  const left = await keysOf(project)
  for (const key of [named, ofOpen, ofFailed, 'logo/ours.jpg']) assert.ok(left.includes(key), key)
  for (const key of [gone, replaced, probe]) assert.ok(!left.includes(key), key)
  await removeObjects(project, [ofOpen, ofFailed, 'logo/ours.jpg'])
})

test('url gives a link that works, and says why there is none', LIMIT, async () => {
  const { sent, ids } = await carried(1)
  const { code, out, err } = await run(['url', String(ids[0]), '--expires', '1m'])
  assert.equal(code, 0, err)
  const file = await fetch(out.trim())
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), sent[0]?.bytes)

  const waiting = await scene.file()
  await scene.deliver(waiting)
  const { id } = await scene.row(waiting)
  const early = await run(['url', id])
  assert.equal(early.code, 1)
  assert.match(early.err, new RegExp(`^error: Attachment ${id} is PENDING and has no object yet`))
  assert.equal(early.err.trim().split('\n').length, 2, 'and what to do')
})
