import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FILES, fileOf, mediaId, sequence } from './mix.ts'

const MB = 2 ** 20

test('of every hundred mixed files 90 are pictures, 9 voice or video, 1 a document of 100 MB', () => {
  const files = sequence('mixed', 300)
  for (const from of [0, 100, 200]) {
    const hundred = files.slice(from, from + 100)
    const sizes = (kind: string) => hundred.filter(file => file.kind === kind).map(({ size }) => size)
    assert.deepEqual([sizes('image').length, sizes('audio').length, sizes('document')], [90, 9, [100 * MB]])
    assert.ok(sizes('image').every(size => size >= 50 * 1024 && size <= 400 * 1024))
    assert.ok(sizes('audio').every(size => size >= MB && size <= 16 * MB))
  }
  assert.notDeepEqual(files.slice(0, 100), files.slice(100, 200))
})

test('every system gets the same sequence', () => {
  assert.deepEqual(sequence('mixed', 250), sequence('mixed', 250))
  assert.ok(sequence('200KB', 20).every(({ size }) => size === 200 * 1024))
})

test('a media id says which file it is', () => {
  for (const file of FILES) assert.equal(fileOf(mediaId(file, 'watched7')), file)
})
