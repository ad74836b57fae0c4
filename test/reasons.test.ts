import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { REASONS, reasonFor } from '../src/reasons.ts'

test('every code that stands in the source is explained', () => {
  const folder = new URL('../src/transfer/', import.meta.url)
  const codes = readdirSync(folder).flatMap(name => {
    const source = readFileSync(new URL(name, folder), 'utf8')
    return [...source.matchAll(/code: '([a-z_]+)'/g)].map(match => match[1] ?? '')
  })
  assert.ok(codes.includes('integrity') && codes.includes('too_large'), 'the search finds codes')
  for (const code of codes) assert.ok(reasonFor(code), code)
})

test('a reason is two sentences for people, and a code a word for programs', () => {
  for (const [code, { meaning, advice }] of Object.entries(REASONS)) {
    assert.match(code, /^[a-z]+(?:_[a-z]+)*$/)
    for (const text of [meaning, advice]) assert.match(text, /^[A-Z].*\.$/s, code)
  }
  assert.equal(reasonFor('constructor'), undefined)
})
