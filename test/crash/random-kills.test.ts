import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { takeProject } from '../support/project.ts'
import { startProxy } from '../support/proxy.ts'
import { soak } from './soak/run.ts'

const project = await takeProject()
const proxy = await startProxy(project.url)
after(() => proxy.stop())

const AWAY_MS = 1500

/** `npm run soak` does this two hundred times, with a database that is ended itself. */
test('two daemons killed at random instants under steady mail', { timeout: 120_000 }, async () => {
  const { violations, ...report } = await soak({
    project: { ...project, url: proxy.url },
    kills: 3,
    seed: 2168,
    breakDatabase: async () => {
      void proxy.refuse('/rest/')
      await wait(AWAY_MS)
      proxy.passAll()
    },
  })
  assert.deepEqual(violations, [])
  assert.deepEqual([report.kills, report.freezes, report.outages], [3, 1, 1])
  assert.ok(report.uploaded > 0, JSON.stringify(report))
})
