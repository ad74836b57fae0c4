import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock, test } from 'node:test'
import { createLog } from '../../src/log.ts'
import { postAlert } from '../../src/ops/alert-post.ts'
import {
  AGAIN_MS,
  type Alert,
  type AlertsOptions,
  LONG_OPEN_MS,
  LOOK_MS,
  startAlerts,
} from '../../src/ops/alerts.ts'

const SILENT = createLog('silent')
const OPENED = {
  type: 'opened',
  dependency: 'storage',
  code: 'quota',
  message: 'The quota is used up.',
  advice: 'Raise the plan.',
  probeInMs: 1000,
} as const
const CLOSED = { type: 'closed', dependency: 'storage', code: 'quota', probes: 3 } as const

interface World {
  raise?: AlertsOptions['raise']
  expiring?: () => Promise<{ count: number; soonest: string | null }>
  post?: (alert: Alert) => Promise<void>
}

function scene(t: { after(end: () => void): void }, world: World = {}) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  const posted: Alert[] = []
  const alerts = startAlerts({
    raise: world.raise ?? (async () => true),
    expiring: world.expiring ?? (async () => ({ count: 0, soonest: null })),
    post: world.post ?? (async alert => void posted.push(alert)),
    log: SILENT,
  })
  t.after(() => {
    alerts.stop()
    mock.timers.reset()
  })
  const pass = async (ms: number) => {
    mock.timers.tick(ms)
    await new Promise(resolve => setImmediate(resolve))
  }
  return { alerts, posted, pass }
}

test('a circuit that stays open is told of, one that closes in time is not', async t => {
  const { alerts, posted, pass } = scene(t)
  alerts.circuit(OPENED)
  await pass(LONG_OPEN_MS - 1)
  alerts.circuit(CLOSED)
  await pass(LONG_OPEN_MS)
  assert.equal(posted.length, 0)
  alerts.circuit(OPENED)
  await pass(LONG_OPEN_MS)
  assert.deepEqual(
    posted.map(({ alert, advice }) => ({ alert, advice })),
    [{ alert: 'circuit_open', advice: 'Raise the plan.' }],
  )
  assert.match(posted[0]?.text ?? '', /storage has not worked for 5 minutes: The quota is used up/)
})

test('a dead token is told of at once', async t => {
  const { alerts, posted, pass } = scene(t)
  alerts.circuit({ ...OPENED, dependency: 'whatsapp', code: 'token_rejected' })
  await pass(0)
  assert.equal(posted[0]?.alert, 'credentials')
  await pass(LONG_OPEN_MS)
  assert.equal(posted.length, 1)
})

test('files about to expire are looked for soon after the start, and again', async t => {
  let count = 2
  const { posted, pass } = scene(t, { expiring: async () => ({ count, soonest: '2026-11-23T00:00:00Z' }) })
  await pass(10_000)
  assert.match(posted[0]?.text ?? '', /^2 files are not carried yet, .*2026-11-23/)
  count = 0
  await pass(LOOK_MS)
  assert.equal(posted.length, 1)
})

test('what another daemon has told of is not told again; with the database away it is told all the same', async t => {
  let raise = async (): Promise<boolean> => false
  const { alerts, posted, pass } = scene(t, { raise: () => raise() })
  alerts.circuit({ ...OPENED, code: 'credentials' })
  await pass(0)
  assert.equal(posted.length, 0)
  raise = async () => {
    throw new Error('no database')
  }
  alerts.circuit({ ...OPENED, code: 'credentials' })
  await pass(0)
  assert.equal(posted.length, 1)
})

test('an outage of one dependency does not silence that of another', async t => {
  const raised = new Set<string>()
  const { alerts, posted, pass } = scene(t, {
    raise: async ({ alert }) => !raised.has(alert) && raised.add(alert).has(alert),
  })
  for (const dependency of ['whatsapp', 'storage', 'storage'] as const)
    alerts.circuit({ ...OPENED, dependency, code: 'credentials' })
  await pass(0)
  assert.deepEqual(
    posted.map(({ alert, text }) => [alert, text.split(' ')[0]]),
    [
      ['credentials', 'whatsapp'],
      ['credentials', 'storage'],
    ],
  )
})

test('what could not be delivered is tried again, without a second event, until it is or the quiet is over', async t => {
  let raised = 0
  let works = false
  const delivered: Alert[] = []
  const { alerts, pass } = scene(t, {
    raise: async () => ++raised > 0,
    post: async alert => {
      if (!works) throw new Error('gone')
      delivered.push(alert)
    },
  })
  alerts.circuit({ ...OPENED, code: 'credentials' })
  await pass(0)
  await pass(AGAIN_MS)
  works = true
  await pass(AGAIN_MS)
  await pass(AGAIN_MS)
  assert.equal(delivered.length, 1)
  assert.equal(raised, 1)
})

test('an alert that cannot be delivered, and a count that cannot be made, end nothing', async t => {
  const { alerts, pass } = scene(t, {
    post: async () => {
      throw new Error('gone')
    },
    expiring: async () => {
      throw new Error('no database')
    },
  })
  alerts.circuit({ ...OPENED, code: 'credentials' })
  await pass(LOOK_MS)
})

test('after a stop nothing is told', async t => {
  const { alerts, posted, pass } = scene(t, { expiring: async () => ({ count: 1, soonest: null }) })
  alerts.circuit(OPENED)
  alerts.stop()
  await pass(LOOK_MS)
  assert.equal(posted.length, 0)
})

const ALERT: Alert = { alert: 'files_expiring', text: '1 file is not carried yet.', advice: 'Look.' }

test('an alert is posted as JSON, again after a failure, and never to where a redirect points', async t => {
  const bodies: string[] = []
  const statuses = [500, 200]
  const server = createServer((request, response) => {
    if (request.url !== '/secret') return void response.writeHead(302, { location: '/secret' }).end()
    request.setEncoding('utf8').on('data', chunk => bodies.push(chunk))
    request.on('end', () => response.writeHead(statuses.shift() ?? 200).end())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  await postAlert(`http://127.0.0.1:${port}/secret`, 'host-1', ALERT)
  assert.equal(bodies.length, 2)
  const { at, ...told } = JSON.parse(bodies[1] ?? '')
  assert.ok(Math.abs(Date.now() - Date.parse(at)) < 60_000)
  assert.deepEqual(told, {
    source: 'mediaferry',
    alert: 'files_expiring',
    text: 'mediaferry: 1 file is not carried yet. Look.',
    advice: 'Look.',
    worker: 'host-1',
  })
  await assert.rejects(postAlert(`http://127.0.0.1:${port}/elsewhere`, 'host-1', ALERT), error => {
    assert.ok(error instanceof Error)
    assert.doesNotMatch(String(error) + String(error.cause), /secret|elsewhere/)
    return true
  })
  assert.equal(bodies.length, 2)
})
