import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { assertCarried, eventsOf, fetchesOf } from '../support/rows.ts'
import { eventually } from '../support/scene.ts'

const LIMIT = { timeout: 90_000 }
const project = await takeProject()
const daemons: TestDaemon[] = []
after(() => Promise.all(daemons.map(daemon => daemon.stop())))

for (const number of [2, 10]) {
  test(`${number} daemons woken at once share the work and claim no row twice`, LIMIT, async () => {
    while (daemons.length < number) {
      const missing = Array.from({ length: number - daemons.length }, () =>
        startTestDaemon(project, { CONCURRENCY: '2', SWEEP_INTERVAL: '1s' }),
      )
      daemons.push(...(await Promise.all(missing)))
    }
    const messages = await Promise.all(Array.from({ length: number * 10 }, () => project.message('sticker')))
    const before = daemons.map(daemon => settledBy(daemon).length)
    await project.deliver(...messages)
    await eventually(async () => {
      const { rows } = await project.database.query(
        `select count(*)::int as open from public.attachments where upload_status <> 'UPLOADED'`,
      )
      assert.equal(rows[0]?.open, 0)
    })
    for (const message of messages) {
      const row = await assertCarried(project, message)
      assert.equal(row.claim_token, '1')
      assert.deepEqual(await eventsOf(project, row.id), ['received', 'uploaded'])
    }
    for (const { media } of messages.slice(0, 5)) {
      assert.deepEqual(await fetchesOf(project, media.id), { resolved: 1, downloaded: 1 })
    }
    // A settlement is logged when its answer has come, which may be after the row shows it.
    await eventually(async () => {
      const claims = daemons.flatMap(settledBy)
      assert.equal(new Set(claims).size, claims.length, 'settled twice')
      const shares = daemons.map((daemon, at) => settledBy(daemon).length - (before[at] ?? 0))
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        messages.length,
      )
      assert.ok(shares.filter(share => share > 0).length >= number / 2, `shares ${shares.join(', ')}`)
    })
  })
}

function settledBy({ entries }: TestDaemon): string[] {
  return entries
    .filter(({ msg }) => msg === 'settled')
    .map(({ attachment, claim_token: token }) => `${attachment}-${token}`)
}
