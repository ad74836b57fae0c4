import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { jpegSize, withComment } from '../../../src/local/samples/jpeg.ts'
import { photoAlbum } from '../../../src/local/samples/pdf.ts'
import { fromPieces, generated, type MediaSource } from '../../../src/local/samples/source.ts'
import { tarOf } from '../../../src/local/samples/tar.ts'

const photo = await readFile(new URL('../../../src/local/samples/photo.jpg', import.meta.url))

async function bytesOf(source: MediaSource): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source.open()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('a comment goes in behind the JFIF header and leaves every other byte alone', () => {
  const comment = 'Cup ☕'
  const bytes = Buffer.concat(withComment(photo, comment))
  const header = 4 + photo.readUInt16BE(4)
  const text = Buffer.from(comment)
  assert.deepEqual(bytes.subarray(0, header), photo.subarray(0, header))
  assert.equal(bytes.readUInt16BE(header), 0xfffe)
  assert.equal(bytes.readUInt16BE(header + 2), 2 + text.length)
  assert.deepEqual(bytes.subarray(header + 4, header + 4 + text.length), text)
  assert.deepEqual(bytes.subarray(header + 4 + text.length), photo.subarray(header))
  assert.deepEqual(jpegSize(bytes), { width: 600, height: 400 })
})

test('a comment that does not fit, and a file that is no JPEG, are refused', () => {
  assert.throws(() => withComment(photo, 'x'.repeat(65_534)), RangeError)
  assert.throws(() => withComment(Buffer.from('GIF89a'), 'x'), TypeError)
  assert.throws(() => jpegSize(Buffer.from([0xff, 0xd8, 0xff, 0xd9])), TypeError)
})

test('every entry of the PDF cross-reference table points at its object, and lengths are right', async () => {
  const bytes = await bytesOf(photoAlbum(photo, 3))
  const text = bytes.toString('latin1')
  const start = Number(/startxref\n(\d+)\n%%EOF\n$/.exec(text)?.[1])
  assert.equal(text.slice(start, start + 5), 'xref\n')
  const entries = [...text.slice(start).matchAll(/^(\d{10}) 00000 n $/gm)].map(match => Number(match[1]))
  assert.equal(entries.length, 3 + 3 * 3)
  for (const [index, offset] of entries.entries()) {
    assert.ok(text.startsWith(`${index + 1} 0 obj\n`, offset), `object ${index + 1}`)
  }
  const streams = [...text.matchAll(/\/Length (\d+) >>\nstream\n/g)]
  assert.equal(streams.length, 6)
  for (const match of streams) {
    assert.ok(text.startsWith('\nendstream', match.index + match[0].length + Number(match[1])))
  }
  assert.equal([...text.matchAll(/\/Type \/Page /g)].length, 3)
})

test('the album is the same every time and grows with its pages', async () => {
  const album = photoAlbum(photo, 2)
  assert.deepEqual(await bytesOf(album), await bytesOf(photoAlbum(photo, 2)))
  assert.ok(photoAlbum(photo, 4).size > 1.9 * album.size)
})

test('the archive has a checked header, its file, and two empty blocks', async () => {
  const content = generated('tar', 2048)
  const bytes = await bytesOf(tarOf('a.bin', content))
  assert.equal(bytes.length, 512 + 2048 + 1024)
  const header = bytes.subarray(0, 512)
  const declared = Number.parseInt(header.toString('ascii', 148, 154), 8)
  const blank = Buffer.from(header).fill(' ', 148, 156)
  assert.equal(
    declared,
    blank.reduce((sum, byte) => sum + byte, 0),
  )
  assert.equal(Number.parseInt(header.toString('ascii', 124, 135), 8), 2048)
  assert.deepEqual(bytes.subarray(512, 2560), await bytesOf(content))
  assert.ok(bytes.subarray(2560).every(byte => byte === 0))
  assert.throws(() => tarOf('a.bin', fromPieces([new Uint8Array(3)])), RangeError)
})
