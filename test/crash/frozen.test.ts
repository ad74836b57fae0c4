import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { startTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'
import { type Held, startProxy } from '../support/proxy.ts'
import { arrange, assertCarried, fetchesOf, objectsOf } from '../support/rows.ts'
import { type DaemonHome, daemonHome } from './daemon-process.ts'

const LIMIT = { timeout: 60_000 }
const SETTLE = 'POST /rest/v1/rpc/settle_attachments'
const CLAIM = 'POST /rest/v1/rpc/claim_attachments'
const UPLOAD = 'POST /storage/v1/object/attachments/'
const REMOVAL = 'DELETE /storage/v1/object/attachments'
const TAKEN_OVER = { attempts: 1, lostLeases: 1 }
const OVER = `leased_until = now() - interval '1 second'`

const project = await takeProject()
const proxy = await startProxy(project.url)
const behindProxy = { SUPABASE_URL: proxy.url }
const homes: DaemonHome[] = []
const others: TestDaemon[] = []
after(() => proxy.stop())
afterEach(async () => {
  proxy.passAll()
  await Promise.all(others.splice(0).map(other => other.stop()))
  await Promise.all(homes.splice(0).map(home => home.stop()))
})

function home(): DaemonHome {
  const made = daemonHome(project)
  homes.push(made)
  return made
}

/** Another daemon takes over what is due, and has settled it. */
async function takeOver(count: number): Promise<void> {
  const other = await startTestDaemon(project)
  others.push(other)
  await other.settled(count)
}

/**
 * Lets the first claim pass and holds the next: one that is under way when its daemon is frozen would take the row for
 * it again as soon as the lease is over.
 */
function holdNextClaim(): Held {
  const [first, next] = [proxy.holdRequest(CLAIM), proxy.holdRequest(CLAIM)]
  first.release()
  return next
}

const released = (entry: Readonly<Record<string, unknown>>) =>
  entry.msg === 'released' || (entry.msg === 'settled' && entry.answer === 'lost')

test(
  'frozen before its settle arrives, it is told `lost` and touches nothing of the winner',
  LIMIT,
  async () => {
    const message = await project.message('image')
    await project.deliver(message)
    const settle = proxy.holdRequest(SETTLE)
    const claim = holdNextClaim()
    const frozen = await home().start(behindProxy)
    await settle.arrived
    frozen.send('SIGSTOP')
    await arrange(project, message.id, OVER)
    await takeOver(1)
    const won = await assertCarried(project, message, TAKEN_OVER)

    const removal = proxy.holdAnswer(REMOVAL)
    settle.release()
    claim.release()
    frozen.send('SIGCONT')
    await frozen.until(released)
    await removal.arrived
    removal.release()
    const row = await assertCarried(project, message, TAKEN_OVER)
    assert.deepEqual(row, won)
    assert.deepEqual(await objectsOf(project, row), [row.object_key])
    assert.deepEqual(await fetchesOf(project, message.media.id), { resolved: 1, downloaded: 1 })
  },
)

test('frozen with two uploads under way, it writes no object of the winner', LIMIT, async () => {
  const messages = await Promise.all(
    // The first is sent as one piece, the second streamed.
    [300 * 1024, 2 * 2 ** 20].map(size =>
      project.message('document', { media: { seed: `frozen ${size}`, size, mimeType: 'application/pdf' } }),
    ),
  )
  await project.deliver(...messages)
  const uploads = messages.map(() => proxy.holdRequest(UPLOAD))
  const claim = holdNextClaim()
  const frozen = await home().start(behindProxy)
  await Promise.all(uploads.map(upload => upload.arrived))
  frozen.send('SIGSTOP')
  for (const message of messages) await arrange(project, message.id, OVER)
  await takeOver(messages.length)
  const won = await Promise.all(messages.map(message => assertCarried(project, message, TAKEN_OVER)))
  assert.deepEqual(
    won.map(row => row.claim_token),
    ['2', '2'],
  )

  const removals = messages.map(() => proxy.holdAnswer(REMOVAL))
  for (const upload of uploads) upload.release()
  claim.release()
  frozen.send('SIGCONT')
  await frozen.until(released, messages.length)
  for (const removal of removals) {
    await removal.arrived
    removal.release()
  }
  for (const [at, message] of messages.entries()) {
    const row = await assertCarried(project, message, TAKEN_OVER)
    assert.deepEqual(row, won[at])
    assert.deepEqual(await objectsOf(project, row), [row.object_key])
  }
})

test(
  'frozen, and its settle arrives while another daemon works on the row: the token refuses it',
  LIMIT,
  async t => {
    const message = await project.message('image')
    await project.deliver(message)
    const theirs = await startProxy(project.url)
    t.after(() => theirs.stop())
    const [late, winning] = [proxy.holdRequest(SETTLE), theirs.holdRequest(SETTLE)]
    const claim = holdNextClaim()
    const frozen = await home().start(behindProxy)
    await late.arrived
    frozen.send('SIGSTOP')
    await arrange(project, message.id, OVER)
    const other = await startTestDaemon(project, { SUPABASE_URL: theirs.url })
    others.push(other)
    await winning.arrived
    frozen.send('SIGCONT')
    late.release()
    claim.release()
    await frozen.until(released)
    winning.release()
    await other.settled(1)
    const row = await assertCarried(project, message, TAKEN_OVER)
    assert.deepEqual([row.claim_token, await objectsOf(project, row)], ['2', [row.object_key]])
  },
)

test('a daemon that has lost a row to itself cannot settle it with the token of before', LIMIT, async () => {
  const message = await project.message('image')
  await project.deliver(message)
  const [late, winning] = [proxy.holdRequest(SETTLE), proxy.holdRequest(SETTLE)]
  const daemon = await startTestDaemon(project, { ...behindProxy, SWEEP_INTERVAL: '1s' })
  others.push(daemon)
  await late.arrived
  await arrange(project, message.id, OVER)
  await winning.arrived
  late.release()
  await daemon.until(released)
  winning.release()
  await daemon.until(entry => entry.msg === 'settled' && entry.answer === 'applied')
  const row = await assertCarried(project, message, TAKEN_OVER)
  assert.deepEqual([row.claim_token, await objectsOf(project, row)], ['2', [row.object_key]])
})
