import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { assertCarried, eventsOf, rowOf } from '../support/rows.ts'
import { daemonHome } from './daemon-process.ts'

const project = await takeProject()
const proxy = await startProxy(project.url)
const place = daemonHome(project)
after(async () => {
  proxy.passAll()
  await place.stop()
  await project.control('DELETE', 'faults')
  await proxy.stop()
})

const start = () => place.start({ SWEEP_INTERVAL: '1s' })

test('a file that ends every daemon that asks for it is FAILED, and holds up nobody', {
  timeout: 60_000,
}, async () => {
  const poison = await project.message('video')
  await project.control('POST', 'faults', {
    on: 'media',
    fault: 'redirect',
    location: `${proxy.url}/poison`,
    mediaId: poison.media.id,
  })
  await project.deliver(poison)
  // As if it had cost two daemons their lease already.
  const { id } = await rowOf(project, poison.id)
  await project.database.query('update public.attachments set lost_leases = 2 where id = $1', [id])

  for (const lost of [3, 4, 5]) {
    const asked = proxy.holdRequest('GET /poison')
    const daemon = await start()
    if (lost > 3) {
      const other = await project.message('image')
      await project.deliver(other)
      await daemon.settled(1)
      await assertCarried(project, other, { attempts: 1 })
      const resting = await rowOf(project, poison.id)
      assert.deepEqual([resting.upload_status, resting.lost_leases], ['UPLOADING', lost - 1])
      await project.database.query(
        "update public.attachments set updated_at = now() - interval '8 minutes' where id = $1",
        [id],
      )
    }
    await asked.arrived
    await daemon.kill()
    asked.drop()
  }

  const last = await start()
  await last.until(entry => entry.code === 'worker_lost')
  const row = await rowOf(project, poison.id)
  assert.deepEqual(
    [row.upload_status, row.error_code, row.upload_attempts, row.lost_leases],
    ['FAILED', 'worker_lost', 0, 5],
  )
  assert.deepEqual(await eventsOf(project, row.id), [
    'received',
    'lease_lost',
    'lease_lost',
    'lease_lost',
    'failed',
  ])
})
