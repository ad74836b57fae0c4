import assert from 'node:assert/strict'
import { test } from 'node:test'
import { downloadName, previewOf } from '../../src/ops/files.ts'

test('pictures, audio and video are shown, and nothing that a browser would run', () => {
  assert.equal(previewOf('image/jpeg'), 'image')
  assert.equal(previewOf('Image/PNG; x=y'), 'image')
  assert.equal(previewOf('audio/ogg; codecs=opus'), 'audio')
  assert.equal(previewOf('video/mp4'), 'video')
  for (const type of [
    'image/svg+xml',
    'text/html',
    'application/pdf',
    'application/octet-stream',
    'image/',
    '',
    null,
  ]) {
    assert.equal(previewOf(type), null, String(type))
  }
})

test('a file name is cleared of paths, headers and tricks', () => {
  const name = (fileName: string | null) => downloadName(fileName, 5, '7/5-1.pdf')
  assert.equal(name('Rechnung März 2026.pdf'), 'Rechnung März 2026.pdf')
  assert.equal(name('../../etc/passwd'), '_.._etc_passwd')
  assert.equal(name('a\r\nSet-Cookie: x=1'), 'aSet-Cookie_ x=1')
  assert.equal(name('"quoted";%2e'), '_quoted___2e')
  assert.equal(name('photo\u202egpj.exe'), 'photogpj.exe')
  assert.equal(name('photo\u061cgpj.exe'), 'photogpj.exe')
  assert.equal(name('C:\\temp\\con'), 'C__temp_con')
  assert.equal(name('.htaccess'), 'htaccess')
  assert.equal(name('\ud800'), '5.pdf')
  for (const nothing of [null, '', '...', ' ', '\u0000', '\u200b']) assert.equal(name(nothing), '5.pdf')
  assert.equal(Array.from(name('😀'.repeat(300))).length, 150)
  assert.ok(name(`${'x'.repeat(500)}.pdf`).endsWith('.pdf'), 'the ending is kept')
})
