import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { startWhatsApp } from '../../../src/local/whatsapp/index.ts'
import { drain, simulatorFor } from './simulator.ts'

const OPTIONS = { accessToken: 'EAAtesttoken', appSecret: 'secret' }

test('everything listens on 127.0.0.1, on three ports, and stopping twice is stopping once', async () => {
  const simulator = await startWhatsApp(OPTIONS)
  const urls = [simulator.graphUrl, simulator.mediaUrl, simulator.elsewhereUrl]
  assert.equal(new Set(urls.map(url => new URL(url).port)).size, 3)
  await simulator.stop()
  await simulator.stop()
  for (const url of urls) await assert.rejects(fetch(url), TypeError)
})

test('a taken port is replaced by a free one', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const address = other.address()
  assert.ok(typeof address === 'object' && address !== null)
  const { simulator } = await simulatorFor(t, { graphPort: address.port })
  assert.notEqual(new URL(simulator.graphUrl).port, String(address.port))
})

test('stopping ends a download under way', async t => {
  const { simulator, addText, download } = await simulatorFor(t)
  simulator.faults.add({ on: 'media', fault: 'stalled', afterBytes: 1 })
  const { body } = await download((await addText('x')).id)
  const drained = drain(body)
  await simulator.stop()
  assert.equal((await drained).ended, true)
})
