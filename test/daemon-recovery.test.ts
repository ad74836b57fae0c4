import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDaemon } from '../src/daemon.ts'
import { openClient } from '../src/database/client.ts'
import { openDatabase } from '../src/database/database.ts'
import { SCHEMA_VERSION } from '../src/database/schema-version.ts'
import { createLog } from '../src/log.ts'
import { OUTSIDE } from '../src/outside.ts'
import { readSettings } from '../src/settings.ts'
import { openTemporaryState } from '../src/state/state-file.ts'

const settings = readSettings(
  {
    SUPABASE_URL: 'https://nowhere.invalid',
    SUPABASE_SECRET_KEY: 'sb_secret_of_no_project_at_all',
    WHATSAPP_ACCESS_TOKEN: 'none',
  },
  ['supabase', 'token'],
)

const ANSWERS: Readonly<Record<string, unknown>> = {
  mediaferry_schema: { version: SCHEMA_VERSION },
  claim_attachments: { paused: false, claims: [], worker_lost: [] },
  release_claims: { released: [], worker_lost: [] },
  beat_canary: { beat: 2, paused: false },
  attachments_after: { cluster: '1/1', horizon: '10', next: '10', anchor: null, rows: [] },
  record_events: { recorded: 1 },
}

/**
 * A Data API that refuses the first release, and takes its time with the second: the circuit is closed again by its
 * probe while the recovery is still waiting.
 */
function slowToRecover() {
  const asked: string[] = []
  let releases = 0
  const answer = (status: number, content: unknown) => new Response(JSON.stringify(content), { status })
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const name = /rpc\/(\w+)$/.exec(String(input))?.[1]
    if (name === undefined) {
      asked.push('held')
      return answer(200, [])
    }
    const { max } = JSON.parse(String(init?.body))
    asked.push(name === 'claim_attachments' ? `claim ${max}` : name)
    if (name === 'release_claims' && ++releases === 1) return answer(503, { message: 'not yet' })
    if (name === 'release_claims') {
      await new Promise(resolve => setTimeout(resolve, 100))
      asked.push('released')
    }
    return answer(200, ANSWERS[name])
  }
  return { asked, carrier: { fetch, close: async () => undefined } }
}

test('an outage at the start lets nothing be claimed before an earlier life is cleared up', async () => {
  const { asked, carrier } = slowToRecover()
  const stop = new AbortController()
  const daemon = await startDaemon(settings, createLog('silent'), stop.signal, {
    openState: (_path, options) => openTemporaryState(options),
    openDatabase: options => openDatabase(options, openClient(options, carrier)),
    createTransfer: OUTSIDE.createTransfer,
    listen: () => ({ join: () => undefined, close: async () => undefined }),
  })
  try {
    const recovered = asked.indexOf('released')
    assert.ok(recovered > 0, asked.join(', '))
    const before = asked.slice(0, recovered)
    assert.ok(before.includes('claim 0'), `the probe, which claims nothing: ${before.join(', ')}`)
    assert.deepEqual(
      before.filter(what => what === 'held' || /^claim [1-9]/.test(what)),
      [],
      'neither claimed nor given back as an orphan',
    )
  } finally {
    stop.abort()
    await daemon?.ended
  }
  assert.ok(
    asked.slice(asked.indexOf('released')).some(what => /^claim [1-9]/.test(what)),
    asked.join(', '),
  )
})
