import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { explainsPage, lookAt, servedType, typeAgrees } from '../../src/transfer/content.ts'
import { jpeg } from './servers.ts'

test('the first bytes tell pictures from error pages', async () => {
  const cases: [string | Buffer, boolean, string | null, string | null][] = [
    [jpeg(5000), false, 'image/jpeg', null],
    ['%PDF-1.7\n%âãÏÓ', true, 'application/pdf', null],
    ['<!DOCTYPE html><html>', true, null, 'text/html'],
    ['\ufeff \n<HTML lang="en">', false, null, 'text/html'],
    ['<html', true, null, 'text/html'],
    ['<htmlx>', true, null, null],
    ['{"error":{"message":"no"}}', true, null, 'application/json'],
    [' [1, 2]', true, null, 'application/json'],
    ['{"error":', true, null, null],
    ['{"error":{"message":', false, null, 'application/json'],
    ['{not json', false, null, null],
    ['plain words', true, null, null],
    ['', true, null, null],
  ]
  for (const [head, whole, type, page] of cases) {
    assert.deepEqual(await lookAt(Buffer.from(head), whole, null), { type, page }, String(head).slice(0, 30))
  }
})

test('a declared signature is taken for what it is, and nothing else is', async () => {
  const samples: [string, Buffer][] = [
    ['image/jpeg', jpeg(5000)],
    ['image/png', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')],
    ['image/webp', Buffer.from('RIFF\x10\0\0\0WEBPVP8 ', 'latin1')],
    ['audio/ogg', Buffer.from(`OggS${'\0'.repeat(24)}OpusHead`, 'latin1')],
    ['application/pdf', Buffer.from('%PDF-1.7\n')],
  ]
  for (const [type, bytes] of samples) {
    for (const [other] of samples) {
      const { type: found } = await lookAt(bytes, true, other)
      assert.ok(typeAgrees(type, found), `${type} declared as ${other} looks like ${found}`)
    }
    assert.equal((await lookAt(Buffer.from('<html>'), true, type)).page, 'text/html')
  }
})

test('looking at any bytes never throws', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.boolean(), async (bytes, whole) => {
      await lookAt(Buffer.from(bytes), whole, 'image/webp')
    }),
    { numRuns: 200 },
  )
})

test('a page is explained by a type that means text', () => {
  for (const type of [
    'text/html',
    'text/plain; charset=utf-8',
    'application/json',
    'image/svg+xml',
    'Application/LD+JSON',
  ]) {
    assert.ok(explainsPage(type), type)
  }
  for (const type of [
    null,
    '',
    'image/jpeg',
    'application/octet-stream',
    'application/pdf',
    'image/jpeg; text/html',
  ]) {
    assert.ok(!explainsPage(type), String(type))
  }
})

test('Storage serves the declared type, and nothing that a browser would run', () => {
  const cases: [string | null, string | null, string][] = [
    ['image/jpeg', 'image/png', 'image/jpeg'],
    ['audio/ogg; codecs=opus', null, 'audio/ogg'],
    ['Video/MP4', null, 'video/mp4'],
    [null, 'image/webp', 'image/webp'],
    [null, null, 'application/octet-stream'],
    [
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      null,
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    ],
    ['text/plain', null, 'text/plain'],
    ['application/pdf', null, 'application/pdf'],
  ]
  for (const [declared, found, served] of cases)
    assert.equal(servedType(declared, found), served, String(declared))
  for (const runs of [
    'text/html',
    'TEXT/HTML; charset=utf-8',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/xml',
    'application/javascript',
    'text/ecmascript',
    'application/x-shockwave-flash',
    'multipart/related',
    'text/css',
    'application/wasm',
  ]) {
    assert.equal(servedType(runs, null), 'application/octet-stream', runs)
    assert.equal(servedType(null, runs.toLowerCase()), 'application/octet-stream', runs)
  }
  for (const odd of [
    '',
    'x',
    'image/',
    '/x',
    'image/jpeg\r\nx: y',
    'image/jp eg',
    `image/${'x'.repeat(200)}`,
    'ü/x',
  ]) {
    assert.equal(servedType(odd, 'image/jpeg'), 'application/octet-stream', odd)
  }
})

test('what may be declared for what is found', () => {
  const agree: [string | null, string | null][] = [
    ['image/jpeg', 'image/jpeg'],
    ['image/jpg', 'image/jpeg'],
    ['audio/ogg; codecs=opus', 'audio/ogg'],
    ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'application/zip'],
    ['application/msword', 'application/x-cfb'],
    ['audio/mp4', 'video/mp4'],
    ['application/octet-stream', 'application/pdf'],
    ['text/plain', null],
    [null, 'image/png'],
  ]
  for (const [declared, found] of agree) assert.ok(typeAgrees(declared, found), `${declared} ${found}`)
  const differ: [string, string][] = [
    ['image/jpeg', 'image/png'],
    ['image/jpeg', 'application/zip'],
    ['application/pdf', 'application/x-msdownload'],
    ['audio/ogg', 'video/mp4'],
  ]
  for (const [declared, found] of differ) assert.ok(!typeAgrees(declared, found), `${declared} ${found}`)
})
