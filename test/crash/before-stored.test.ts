import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { assertCarried, eventsOf, fetchesOf, objectsOf, rowOf } from '../support/rows.ts'
import { type DaemonHome, daemonHome } from './daemon-process.ts'

const LIMIT = { timeout: 60_000 }
const project = await takeProject()
const proxy = await startProxy(project.url)
const homes: DaemonHome[] = []
after(() => proxy.stop())
afterEach(async () => {
  proxy.passAll()
  await Promise.all(homes.splice(0).map(home => home.stop()))
  await project.control('DELETE', 'faults')
})

function home(): DaemonHome {
  const made = daemonHome(project)
  homes.push(made)
  return made
}

test(
  'killed with the claim made and its answer under way, it takes the row again at its next start',
  LIMIT,
  async () => {
    const place = home()
    const message = await project.message('image')
    await project.deliver(message)
    const claim = proxy.holdAnswer('POST /rest/v1/rpc/claim_attachments')
    const first = await place.start({ SUPABASE_URL: proxy.url })
    await claim.arrived
    const claimed = await rowOf(project, message.id)
    assert.equal(claimed.upload_status, 'UPLOADING')
    await first.kill()
    claim.drop()

    const second = await place.start({ SUPABASE_URL: proxy.url })
    await second.settled(1)
    const row = await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
    assert.equal(row.claim_token, '2')
    assert.deepEqual(await eventsOf(project, row.id), ['received', 'lease_lost', 'uploaded'])
    assert.deepEqual(await fetchesOf(project, message.media.id), { resolved: 1, downloaded: 1 })
  },
)

test('killed with the address resolved and the download asked for, it resolves anew', LIMIT, async () => {
  const place = home()
  const message = await project.message('audio')
  await project.control('POST', 'faults', {
    on: 'media',
    fault: 'redirect',
    location: `${proxy.url}/nothing-comes`,
    mediaId: message.media.id,
    times: 1,
  })
  const download = proxy.holdRequest('GET /nothing-comes')
  await project.deliver(message)
  const first = await place.start()
  await download.arrived
  await first.kill()
  download.drop()

  const second = await place.start()
  await second.settled(1)
  await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
  assert.deepEqual(await fetchesOf(project, message.media.id), { resolved: 2, downloaded: 1 })
})

test(
  'killed in mid-stream, it leaves no half object behind and its neighbours are carried',
  LIMIT,
  async () => {
    const place = home()
    const size = 2 * 2 ** 20
    const message = await project.message('document', {
      media: { seed: 'half', size, mimeType: 'application/pdf' },
    })
    const neighbours = await Promise.all([project.message('sticker'), project.message('audio')])
    await project.control('POST', 'faults', {
      on: 'media',
      fault: 'stalled',
      afterBytes: size / 2,
      mediaId: message.media.id,
      times: 1,
    })
    await project.deliver(...neighbours)
    const first = await place.start({ SUPABASE_URL: proxy.url })
    await first.settled(neighbours.length)
    const halfway = proxy.passed('POST /storage/v1/object/attachments/', size / 4)
    await project.deliver(message)
    await halfway
    await first.kill()
    const half = await rowOf(project, message.id)
    assert.equal(half.upload_status, 'UPLOADING')
    assert.deepEqual(await objectsOf(project, half), [])

    const second = await place.start({ SUPABASE_URL: proxy.url })
    await second.settled(1)
    const row = await assertCarried(project, message, { attempts: 1, lostLeases: 1 })
    assert.deepEqual(await objectsOf(project, row), [row.object_key])
    for (const neighbour of neighbours) await assertCarried(project, neighbour)
  },
)
