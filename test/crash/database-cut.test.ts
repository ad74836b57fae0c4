import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { startTestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { assertCarried, eventsOf, fetchesOf, objectsOf, rowOf } from '../support/rows.ts'

const LIMIT = { timeout: 60_000 }
const SETTLE = 'POST /rest/v1/rpc/settle_attachments'
/** The shortest lease: it must run out on the daemon's own clock here, which no row can move. */
const LEASE = '3s'

const project = await takeProject()
const proxy = await startProxy(project.url)
after(() => proxy.stop())
afterEach(() => project.control('DELETE', 'faults'))

test(
  'the database away for longer than the lease, Storage working: nothing lost, nothing spent',
  LIMIT,
  async t => {
    const size = 2 * 2 ** 20
    const streaming = await project.message('document', {
      media: { seed: 'cut off', size, mimeType: 'application/pdf' },
    })
    const stored = await Promise.all(Array.from({ length: 4 }, () => project.message('image')))
    const waiting = await Promise.all(Array.from({ length: 4 }, () => project.message('sticker')))
    await project.control('POST', 'faults', {
      on: 'media',
      fault: 'stalled',
      afterBytes: size / 2,
      mediaId: streaming.media.id,
      times: 1,
    })
    const halfway = proxy.passed('POST /storage/v1/object/attachments/', size / 4)
    await project.deliver(streaming)
    const daemon = await startTestDaemon(project, { SUPABASE_URL: proxy.url, LEASE })
    t.after(() => daemon.stop())
    await halfway
    const settle = proxy.holdRequest(SETTLE)
    await project.deliver(...stored)
    await settle.arrived

    const refused = proxy.refuse('/rest/')
    settle.drop()
    await refused
    await project.deliver(...waiting)
    await daemon.until(entry => entry.msg === 'claim lost', 1 + stored.length)
    for (const message of [streaming, ...stored, ...waiting]) {
      const row = await rowOf(project, message.id)
      assert.equal(row.upload_attempts, 0)
      assert.equal(row.lost_leases, 0)
      assert.notEqual(row.upload_status, 'FAILED')
    }

    proxy.passAll()
    await daemon.until(entry => entry.msg === 'circuit closed' && entry.dependency === 'database')
    await daemon.until(entry => entry.msg === 'settled what was uploaded before', stored.length)
    await daemon.settled(1 + waiting.length)
    for (const message of [...stored, ...waiting]) {
      const row = await assertCarried(project, message)
      assert.deepEqual(await eventsOf(project, row.id), ['received', 'uploaded'])
      assert.deepEqual(await objectsOf(project, row), [row.object_key])
      assert.deepEqual(await fetchesOf(project, message.media.id), { resolved: 1, downloaded: 1 })
    }
    await assertCarried(project, streaming)
    const { rows: told } = await project.database.query(
      `select event, detail ->> 'dependency' as dependency from public.system_events
       where event like 'circuit%' order by id`,
    )
    assert.deepEqual(told, [
      { event: 'circuit_opened', dependency: 'database' },
      { event: 'circuit_closed', dependency: 'database' },
    ])
  },
)
