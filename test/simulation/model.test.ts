import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { type OwnCluster, startOwnCluster } from '../support/own-cluster.ts'
import { scenario } from './agreement/commands.ts'
import { MUTATIONS, mutate } from './agreement/mutations.ts'
import { identitiesOf, type PostgresSide, postgresSide } from './agreement/postgres-side.ts'
import type { Identities } from './agreement/requests.ts'
import { Disagreement, runOnBoth } from './agreement/run.ts'

/**
 * The simulation's database is a model. Here it is held to the real SQL functions: the same commands, from two to
 * eight connections with transactions that stay open, on both, and the same answers and tables.
 *
 * A failure prints its seed and path: MODEL_SEED and MODEL_PATH replay it, MODEL_RUNS runs more.
 */
const SEED = Number(process.env.MODEL_SEED ?? 1)
const RUNS = Number(process.env.MODEL_RUNS ?? 30)
const PATH = process.env.MODEL_PATH

let cluster: OwnCluster
let identities: Identities
before(async () => {
  cluster = await startOwnCluster()
})
after(() => cluster?.stop())

function agreement(postgres: PostgresSide, met: (what: string) => void) {
  return fc.asyncProperty(scenario, one => runOnBoth(one, postgres, identities, met))
}

/** What the commands must have led to, or their agreement says little. */
const MEANT_TO_BE_MET = [
  ...['event received', 'event uploaded', 'event retry', 'event failed', 'event lease_lost', 'event retried'],
  ...['event leads_merged', 'event phone_changed_hands', 'event paused', 'event resumed'],
  ...['settle applied', 'settle already', 'settle lost', 'settle 55P03', 'settle 22023', 'ingest 55P03'],
  ...['ingest new', 'ingest duplicate', 'ingest rejected', 'claim 25P02'],
]

test('the model and PostgreSQL answer alike', async t => {
  const db = await cluster.database(t)
  identities = await identitiesOf(db)
  const postgres = await postgresSide(db, 8)
  const met = new Set<string>()
  await fc.assert(
    agreement(postgres, what => met.add(what)),
    {
      seed: SEED,
      numRuns: RUNS,
      ...(PATH === undefined ? {} : { path: PATH }),
      // A failure is told before the test runner's patience ends: shrinking it takes a while.
      interruptAfterTimeLimit: RUNS * 4000,
      markInterruptAsFailure: true,
    },
  )
  if (PATH === undefined)
    assert.deepEqual(
      MEANT_TO_BE_MET.filter(what => !met.has(what)),
      [],
    )

  for (const mutation of MUTATIONS) {
    await t.test(`without ${mutation.without} they do not`, async () => {
      const restore = await mutate(db, mutation)
      try {
        const { failed, errorInstance } = await fc.check(
          agreement(postgres, () => undefined),
          {
            seed: 4,
            numRuns: 200,
            endOnFailure: true,
          },
        )
        assert.ok(failed, 'nothing noticed it')
        assert.ok(errorInstance instanceof Disagreement, String(errorInstance))
        assert.equal(errorInstance.at, mutation.at, errorInstance.message)
        assert.match(JSON.stringify(errorInstance.model), mutation.model)
        assert.match(JSON.stringify(errorInstance.sql), mutation.sql)
      } finally {
        await restore()
      }
    })
  }
})
