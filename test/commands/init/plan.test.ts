import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planConfig } from '../../../src/commands/init/config-toml.ts'
import { conflictsIn } from '../../../src/commands/init/conflicts.ts'
import { type Files, planInit } from '../../../src/commands/init/plan.ts'
import { UserError } from '../../../src/errors.ts'

const M = 'supabase/migrations/'
const F = 'supabase/functions/whatsapp-webhook/'
const ours = new Map([
  ['.env.example', 'A=\n# `npm run mediaferry -- dev`\n'],
  ['ecosystem.config.cjs', 'module.exports = {}\n'],
  [`${M}20260101000000_tables.sql`, 'create table public.attachments (id bigint);'],
  [`${M}20260201000000_more.sql`, 'select 1;'],
  [`${F}index.ts`, 'new\n'],
  ['supabase/config.toml', 'ours\n'],
])
const after = (theirs: Files, { writes }: { writes: Files }): Files => new Map([...theirs, ...writes])
const plan = (theirs: Files) => planInit(ours, theirs, 'shop of ann')
const refuses = (theirs: Files, says: RegExp) =>
  assert.throws(
    () => plan(theirs),
    (error: unknown) => error instanceof UserError && error.hint !== undefined && says.test(error.message),
  )

test('an empty folder gets everything; a second time nothing', () => {
  const first = plan(new Map())
  assert.deepEqual([...first.writes.keys()].sort(), [
    '.env',
    'ecosystem.config.cjs',
    'supabase/config.toml',
    `${F}.mediaferry.json`,
    `${F}index.ts`,
    `${M}20260101000000_tables.sql`,
    `${M}20260201000000_more.sql`,
  ])
  assert.equal(first.writes.get('.env'), 'A=\n# `npx mediaferry dev`\n')
  assert.match(first.writes.get('supabase/config.toml') ?? '', /^project_id = "shop-of-ann"$/m)
  assert.deepEqual([...plan(after(new Map(), first)).writes], [])
})

test('.env and ecosystem.config.cjs that are there stay as they are', () => {
  const { writes } = plan(
    new Map([
      ['.env', 'mine'],
      ['ecosystem.config.cjs', 'mine'],
    ]),
  )
  assert.ok(!writes.has('.env') && !writes.has('ecosystem.config.cjs'))
})

test('a newer version adds its migrations and its function, and no more', () => {
  const before = after(new Map(), plan(new Map()))
  const newer = new Map([...ours, [`${M}20260301000000_newer.sql`, 'select 2;'], [`${F}index.ts`, 'newer\n']])
  const { writes, outOfOrder } = planInit(newer, before, 'shop')
  assert.deepEqual([...writes.keys()].sort(), [
    `${F}.mediaferry.json`,
    `${F}index.ts`,
    `${M}20260301000000_newer.sql`,
  ])
  assert.equal(outOfOrder, false)
})

test('migrations that come before one of the team are said to be', () => {
  assert.equal(plan(new Map([[`${M}20270101000000_shop.sql`, 'select 1;']])).outOfOrder, true)
  assert.equal(plan(new Map([[`${M}20250101000000_shop.sql`, 'select 1;']])).outOfOrder, false)
})

test('what the team has changed or made itself stops it', () => {
  const whole = after(new Map(), plan(new Map()))
  refuses(
    new Map([...whole, [`${M}20260201000000_more.sql`, 'select 3;']]),
    /migrations of mediaferry were changed/,
  )
  refuses(new Map([...whole, [`${F}index.ts`, 'mine\n']]), /files of the function were changed/)
  refuses(new Map([[`${F}index.ts`, 'somebody else\n']]), /files of the function were changed/)
  refuses(new Map([[`${M}1_shop.sql`, 'create table leads (id int)']]), /leads, made by .*1_shop\.sql/)
})

test('tables of our names: made, dropped, renamed, or only spoken of', () => {
  const tables = (...texts: string[]) =>
    conflictsIn(texts.map((text, at) => ({ name: `${at}.sql`, text }))).map(
      ({ table, where }) => `${table} ${where}`,
    )
  assert.deepEqual(tables('create table leads ()', 'CREATE TABLE IF NOT EXISTS "public"."attachments" ()'), [
    'attachments 1.sql',
    'leads 0.sql',
  ])
  assert.deepEqual(tables('create table leads ()', 'drop table if exists public.leads'), [])
  assert.deepEqual(tables('create table leads ()', 'alter table leads rename to people'), [])
  assert.deepEqual(tables('create table people ()', 'alter table only people rename to leads'), [
    'leads 1.sql',
  ])
  assert.deepEqual(tables('-- create table leads\n/* create table leads */ create table lead_notes ()'), [])
  assert.deepEqual(tables('create table crm.leads ()', 'alter table leads add column a int'), [])
})

test("the team's config.toml gets our section, keeps its own, and is advised where it differs", () => {
  const theirs = 'project_id = "shop"\n\n[storage]\nfile_size_limit = "50MiB" # small\n'
  const { text, advice } = planConfig(theirs, 'shop')
  assert.ok(text?.startsWith(theirs.trimEnd()))
  assert.match(text ?? '', /\[functions\.whatsapp-webhook\]\n[\s\S]*verify_jwt = false/)
  assert.match(advice.join(), /file_size_limit is "50MiB"/)
  assert.equal(planConfig(text, 'shop').text, undefined)
  const checked = planConfig('[functions.whatsapp-webhook]\nverify_jwt = true\n', 'shop')
  assert.equal(checked.text, undefined)
  assert.match(checked.advice.join(), /verify_jwt = false/)
  assert.deepEqual(planConfig('[storage]\nfile_size_limit = "1GiB"\n', 'shop').advice, [])
})
