import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Assets, openAssets } from '../../src/ops/assets.ts'

const parent = mkdtempSync(join(tmpdir(), 'mediaferry-assets-'))
const folder = join(parent, 'dashboard')
let assets: Assets

before(() => {
  mkdirSync(folder)
  writeFileSync(join(parent, 'secret.js'), 'secret')
  writeFileSync(join(folder, 'index.html'), '<!doctype html><p>page')
  writeFileSync(join(folder, 'style.css'), 'p{}')
  writeFileSync(join(folder, 'icon.svg'), '<svg/>')
  writeFileSync(join(folder, 'notes.txt'), 'not for anybody')
  writeFileSync(join(folder, 'types.d.ts'), 'export {}')
  writeFileSync(
    join(folder, 'main.ts'),
    "import type { T } from './types.ts'\nimport { a } from './other-part.ts'\nimport u from './uplot.js'\nexport const b: T = await import('./late.ts')\n",
  )
  assets = openAssets(folder)
})
after(() => rmSync(parent, { recursive: true }))

const text = (path: string): string | undefined => assets.get(path)?.body.toString()

test('the page and its files are given out under fixed names, with their types', () => {
  assert.equal(text('/'), '<!doctype html><p>page')
  assert.equal(assets.get('/')?.type, 'text/html; charset=utf-8')
  assert.equal(assets.get('/dashboard/style.css')?.type, 'text/css; charset=utf-8')
  assert.equal(assets.get('/dashboard/icon.svg')?.type, 'image/svg+xml')
  assert.match(text('/dashboard/uplot.js') ?? '', /export/)
  assert.match(text('/dashboard/uplot.css') ?? '', /\.uplot/)
})

test('modules lose their types and name each other as they do in the package', () => {
  const { body, type } = assets.get('/dashboard/main.js') ?? {}
  assert.equal(type, 'text/javascript; charset=utf-8')
  const lines = body?.toString().trim().split('\n')
  assert.deepEqual(lines, [
    "import { a } from './other-part.js'",
    "import u from './uplot.js'",
    "export const b    = await import('./late.js')",
  ])
})

test('nothing else is there', () => {
  for (const path of [
    '/dashboard/main.ts',
    '/dashboard/types.js',
    '/dashboard/notes.txt',
    '/dashboard/../secret.js',
    '/secret.js',
    '/dashboard/',
    '/dashboard/index.html',
    '/dashboard/__proto__',
    '/constructor',
  ]) {
    assert.equal(assets.get(path), undefined, path)
  }
})

test('the tag changes with the content', () => {
  const etag = assets.get('/dashboard/style.css')?.etag
  assert.match(etag ?? '', /^"[\w-]{22}"$/)
  writeFileSync(join(folder, 'style.css'), 'p{color:red}')
  assert.notEqual(openAssets(folder).get('/dashboard/style.css')?.etag, etag)
})

test('without the page there is one that says so', () => {
  assert.match(
    openAssets(join(parent, 'nowhere')).get('/')?.body.toString() ?? '',
    /not part of this installation/,
  )
})
