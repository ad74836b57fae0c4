import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { fileTypeFromBuffer } from 'file-type'
import type { MediaKind } from '../../../src/attachment.ts'
import { burst, demoSet, LARGEST_DOCUMENT, type Sample, sampleOf } from '../../../src/local/samples/index.ts'
import { sha256Of } from '../../../src/local/samples/source.ts'

const KINDS: readonly MediaKind[] = ['image', 'video', 'audio', 'document', 'sticker']
const SNIFF_BYTES = 4100

async function sniffed(sample: Sample): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of sample.source.open()) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= SNIFF_BYTES) break
  }
  return (await fileTypeFromBuffer(Buffer.concat(chunks)))?.mime
}

async function sizeOf(sample: Sample): Promise<number> {
  let length = 0
  for await (const chunk of sample.source.open()) length += chunk.length
  return length
}

test('there is a sample of each kind, and its bytes are what it claims', async () => {
  for (const kind of KINDS) {
    const sample = await sampleOf(kind)
    assert.equal(sample.kind, kind)
    assert.equal(await sniffed(sample), sample.mimeType, sample.label)
    assert.equal(await sizeOf(sample), sample.source.size, sample.label)
  }
})

test('the demo sends each sort once: photograph, PNG, video, voice note, PDF of several MB, sticker, 100 MB', async () => {
  const samples = await demoSet()
  assert.deepEqual(
    samples.map(({ mimeType }) => mimeType),
    [
      'image/jpeg',
      'image/png',
      'video/mp4',
      'audio/ogg; codecs=opus',
      'application/pdf',
      'image/webp',
      'application/x-tar',
    ],
  )
  for (const sample of samples) {
    assert.equal(await sniffed(sample), sample.mimeType, sample.label)
    assert.equal(await sizeOf(sample), sample.source.size, sample.label)
  }
  const [, , , voice, pdf, sticker, largest] = samples
  assert.equal(voice?.voice, true)
  assert.equal(sticker?.animated, true)
  assert.ok(pdf !== undefined && pdf.source.size > 3 * 2 ** 20 && pdf.source.size < 10 * 2 ** 20)
  assert.equal(largest?.source.size, LARGEST_DOCUMENT)
  assert.equal(LARGEST_DOCUMENT, 104_857_600)
})

test('only documents have file names, and a kind has no flag of another', async () => {
  for (const sample of await demoSet()) {
    assert.equal(sample.fileName !== null, sample.kind === 'document', sample.label)
    assert.equal(sample.voice !== null, sample.kind === 'audio', sample.label)
    assert.equal(sample.animated !== null, sample.kind === 'sticker', sample.label)
    if (sample.kind === 'audio' || sample.kind === 'sticker') assert.equal(sample.caption, null)
  }
})

test('the two hundred photographs are JPEG files, all different, and the same every time', async () => {
  const photographs = await burst()
  const hashes = new Set<string>()
  for (const photograph of photographs) {
    hashes.add(await sha256Of(photograph.source))
    assert.ok(photograph.source.size >= 50_000 && photograph.source.size <= 400_000)
  }
  assert.equal(hashes.size, 200)
  for (const photograph of (await burst(3)).slice(0, 3)) {
    assert.equal(await sniffed(photograph), 'image/jpeg')
    assert.ok(hashes.has(await sha256Of(photograph.source)))
  }
})

test('what is stored for the samples stays small', async () => {
  const folder = fileURLToPath(new URL('../../../src/local/samples/', import.meta.url))
  const names = (await readdir(folder)).filter(name => !/\.(?:ts|md)$/.test(name))
  const sizes = await Promise.all(names.map(async name => (await stat(folder + name)).size))
  assert.ok(sizes.length >= 5)
  assert.ok(Math.max(...sizes) < 300_000)
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 1_000_000)
})
