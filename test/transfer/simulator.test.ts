import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { generated } from '../../src/local/samples/source.ts'
import { PHONE_NUMBER_ID, startWhatsApp } from '../../src/local/whatsapp/index.ts'
import { failureOf } from '../../src/transfer/index.ts'
import { claimOf, fakeStorage, patient, sha256, TOKEN, transferBetween } from './servers.ts'

async function scene(t: TestContext) {
  const whatsapp = await startWhatsApp({ accessToken: TOKEN, appSecret: 'secret' })
  t.after(() => whatsapp.stop())
  const storage = await fakeStorage(t)
  const meta = { ...storage, url: whatsapp.graphUrl }
  const hosts = [whatsapp.mediaUrl, whatsapp.elsewhereUrl].map(address => new URL(address).host)
  const transfer = transferBetween(t, meta, storage, { mediaHosts: hosts, timeouts: { callMs: 5000 } })
  const { id, sha256: hash } = await whatsapp.media.add({
    source: generated('transfer', 900_000),
    mimeType: 'application/pdf',
  })
  const claim = claimOf({ mediaId: id, declaredMimeType: 'application/pdf' })
  const carry = async () => transfer.copy(claim, await transfer.resolve(claim, patient()), patient())
  return { whatsapp, storage, transfer, carry, hash }
}

test('a file travels from the simulated WhatsApp into Storage, and each of its faults has its code', async t => {
  const { whatsapp, storage, transfer, carry, hash } = await scene(t)
  const stored = await carry()
  assert.deepEqual([stored.sha256, stored.verified], [hash, true])
  assert.equal(sha256(storage.objects.get(`attachments/${stored.objectKey}`)?.bytes ?? Buffer.alloc(0)), hash)
  await transfer.probes.whatsapp(PHONE_NUMBER_ID, patient())

  const faults: [Parameters<typeof whatsapp.faults.add>[0], string][] = [
    [{ on: 'media', times: 1, fault: 'wrong_hash' }, 'integrity'],
    [{ on: 'media', times: 1, fault: 'wrong_length', by: -5 }, 'integrity'],
    [{ on: 'media', times: 1, fault: 'wrong_length', by: 5 }, 'integrity'],
    [{ on: 'media', times: 1, fault: 'html' }, 'error_page'],
    [{ on: 'media', times: 1, fault: 'json' }, 'error_page'],
    [{ on: 'media', times: 1, fault: 'cut', afterBytes: 600_000 }, 'whatsapp_unreachable'],
    [{ on: 'media', times: 1, fault: 'reset' }, 'whatsapp_unreachable'],
    [{ on: 'media', times: 1, fault: 'status', status: 404 }, 'download_refused'],
    [{ on: 'media', times: 1, fault: 'status', status: 503 }, 'whatsapp_unavailable'],
    [{ on: 'media', times: 1, fault: 'redirect', hops: 4 }, 'media_host_refused'],
    [{ on: 'media', times: 1, fault: 'redirect', location: 'https://evil.example/x' }, 'media_host_refused'],
    [{ on: 'graph', times: 1, fault: 'error', code: 190 }, 'token_rejected'],
    [{ on: 'graph', times: 1, fault: 'error', code: 100, subcode: 33 }, 'media_gone'],
    [{ on: 'graph', times: 1, fault: 'error', code: 131056 }, 'rate_limited'],
    [{ on: 'graph', times: 1, fault: 'error', code: 368 }, 'account'],
    [{ on: 'graph', times: 1, fault: 'status', status: 502 }, 'whatsapp_unavailable'],
    [{ on: 'graph', times: 1, fault: 'html' }, 'whatsapp_bad_answer'],
    [{ on: 'graph', times: 1, fault: 'metadata', sha256: 'f'.repeat(64) }, 'integrity'],
  ]
  storage.objects.clear()
  for (const [rule, code] of faults) {
    whatsapp.faults.add(rule)
    await assert.rejects(carry(), error => failureOf(error).code === code, `${code}: ${JSON.stringify(rule)}`)
    assert.equal(storage.objects.size, 0, code)
  }
})

test('what is odd but right arrives', async t => {
  const { whatsapp, storage, carry, hash } = await scene(t)
  const odd: Parameters<typeof whatsapp.faults.add>[0][] = [
    { on: 'media', times: 1, fault: 'no_length' },
    { on: 'media', times: 1, fault: 'redirect', hops: 2 },
    { on: 'graph', times: 1, fault: 'metadata', fileSizeAs: 'string' },
    { on: 'graph', times: 1, fault: 'metadata', omit: ['file_size', 'mime_type'] },
  ]
  for (const rule of odd) {
    whatsapp.faults.add(rule)
    storage.objects.clear()
    assert.equal((await carry()).sha256, hash, JSON.stringify(rule))
  }
})
