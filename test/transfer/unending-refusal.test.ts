import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failsWith } from './scene.ts'
import { claimOf, fakeMeta, fakeStorage, jpeg, json, patient, sha256, transferBetween } from './servers.ts'

test('a media host whose 503 has no end is in trouble all the same, so that its outage costs no attempt', async t => {
  const bytes = jpeg(1000)
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t), { timeouts: { copyMs: 300 } })
  const media = {
    url: `${meta.url}/media`,
    mimeType: 'image/jpeg',
    sha256: sha256(bytes),
    size: bytes.length,
  }
  meta.download = (_, response) => void response.writeHead(503, { 'content-length': '10' }).write('wait')
  await assert.rejects(
    transfer.copy(claimOf(), media, patient()),
    failsWith('whatsapp_timeout', 'unattributed'),
  )

  const probe = () => transfer.probes.whatsapp('1065', patient())
  meta.handle = (request, response) =>
    request.url === '/' ? void response.writeHead(503).end() : json(response, 200, { id: '1065' })
  await assert.rejects(probe(), failsWith('whatsapp_unavailable', 'interrupted'))
})

test('the body of a redirect is not waited for', { timeout: 10_000 }, async t => {
  const bytes = jpeg(1000)
  const meta = await fakeMeta(t, bytes)
  const transfer = transferBetween(t, meta, await fakeStorage(t))
  const { download } = meta
  meta.download = (request, response) => {
    if (request.url !== '/media?ext=1') return download(request, response)
    response.writeHead(302, { location: '/media?there', 'content-length': '10' }).write('wait')
  }
  const claim = claimOf()
  const stored = await transfer.copy(claim, await transfer.resolve(claim, patient()), patient())
  assert.equal(stored.sha256, sha256(bytes))
})
