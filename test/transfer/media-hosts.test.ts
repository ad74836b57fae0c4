import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as soon } from 'node:timers/promises'
import { type Place, watchMediaHosts } from '../../src/transfer/media-hosts.ts'
import { TransferError } from '../../src/transfer/transfer-error.ts'
import { patient } from './servers.ts'

const A = new URL('https://a.fbcdn.net/file?signature=1')
const B = new URL('https://b.fbcdn.net/file')
const UNAVAILABLE = { verdict: 'interrupted', dependency: 'whatsapp', code: 'down', message: '' } as const

/** Hosts whose `/` answers with that status, 0 for silence; 404 when nothing is said of it. */
function scene() {
  const answers = new Map<URL, number>()
  const knocks: string[] = []
  const hosts = watchMediaHosts(async address => {
    knocks.push(address.href)
    const [, status = 404] = [...answers].find(([{ origin }]) => origin === address.origin) ?? []
    if (status === 0) throw new Error('silent')
    return status < 500 ? null : new TransferError(UNAVAILABLE)
  })
  const works = () =>
    hosts.check(patient()).then(
      () => true,
      () => false,
    )
  return {
    answers,
    knocks,
    hosts,
    works,
    /** Probes that fail before one does not. */
    refusals: async () => {
      let times = 0
      for (; !(await works()); times++) assert.ok(times < 100, 'for ever')
      return times
    },
    serve: async (url: URL, place: Place = 'named') => {
      hosts.served(url, place)
      await soon()
    },
  }
}

test('nobody knocks at a host that serves, but for one look at what its / answers', async () => {
  const { hosts, knocks, serve } = scene()
  for (let files = 0; files < 5; files++) await serve(A)
  await hosts.check(patient())
  assert.deepEqual(knocks, ['https://a.fbcdn.net/'])
})

test('a host that answers 5xx is down when its / answered otherwise before', async () => {
  const { answers, hosts, serve, works } = scene()
  await serve(A)
  answers.set(A, 503)
  hosts.failed(A, 'named')
  assert.equal(await works(), false)
  assert.equal(await works(), false)
  answers.set(A, 404)
  assert.equal(await works(), true)
})

test('a probe learns what / answers too: a file that failed while the host worked', async () => {
  const { answers, hosts, refusals, works } = scene()
  hosts.failed(A, 'named')
  assert.equal(await works(), true, "the file's own")
  answers.set(A, 503)
  hosts.failed(A, 'named')
  assert.equal(await refusals(), 10)
})

test('before anything is known a 5xx is an outage, and each file that is let try costs no attempt', async () => {
  const { answers, hosts, refusals } = scene()
  answers.set(A, 503)
  for (let outage = 0; outage < 20; outage++) {
    hosts.failed(A, 'named')
    assert.equal(await refusals(), 2)
  }
})

test('no 5xx of a / keeps files waiting for ever, whatever it answered before', async () => {
  const { answers, hosts, refusals, serve, works } = scene()
  await serve(A)
  answers.set(A, 500)
  hosts.failed(A, 'named')
  assert.equal(await refusals(), 10)
  await serve(A)
  hosts.failed(A, 'named')
  assert.equal(await refusals(), 1, 'it served a file and answered 500')
  await serve(A)
  hosts.failed(A, 'named')
  assert.equal(await works(), true, 'and once more: it says nothing')
})

test('a / that always answers 5xx says nothing, and is asked ever more rarely', async () => {
  const { answers, hosts, knocks, serve, works } = scene()
  answers.set(A, 500)
  for (let files = 0; files < 1000; files++) await serve(A)
  assert.equal(knocks.length, 10)
  hosts.failed(A, 'named')
  assert.equal(await works(), true)
  answers.set(A, 404)
  await serve(A)
  answers.set(A, 500)
  hosts.failed(A, 'named')
  assert.equal(await works(), false, 'until it answers otherwise')
})

test('a silent host is down until it answers', async () => {
  const { answers, hosts, serve, works } = scene()
  await serve(A)
  answers.set(A, 0)
  hosts.failed(A, 'named')
  for (let times = 0; times < 50; times++) assert.equal(await works(), false)
  answers.set(A, 401)
  assert.equal(await works(), true)
})

test('one dead host beside one that serves files is no outage; both are', async () => {
  const { answers, hosts, serve, works } = scene()
  await serve(A)
  await serve(B)
  answers.set(A, 503)
  hosts.failed(A, 'named')
  assert.equal(await works(), true)
  answers.set(B, 503)
  assert.equal(await works(), false)
})

test('a host that others lead to says nothing of the one that leads to it', async () => {
  const { answers, hosts, serve, works } = scene()
  await serve(A)
  await serve(B, 'redirected')
  answers.set(A, 503)
  hosts.failed(A, 'named')
  assert.equal(await works(), false)
})

test('two hosts in trouble are both asked, one that comes to it meanwhile too', async () => {
  const knocks: string[] = []
  const hosts = watchMediaHosts(async address => {
    knocks.push(address.host)
    if (address.host === A.host) hosts.failed(B, 'named')
    return address.host === B.host ? new TransferError(UNAVAILABLE) : null
  })
  hosts.failed(A, 'named')
  await assert.rejects(hosts.check(patient()), TransferError)
  assert.deepEqual(knocks, [A.host, B.host])
})

test('only so many hosts are remembered', async () => {
  const { knocks, serve } = scene()
  for (let host = 0; host < 65; host++) await serve(new URL(`https://${host}.fbcdn.net/`))
  await serve(new URL('https://64.fbcdn.net/'))
  assert.equal(knocks.length, 65)
  await serve(new URL('https://0.fbcdn.net/'))
  assert.equal(knocks.length, 66)
})
