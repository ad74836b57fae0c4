import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from '@supabase/supabase-js'
import { folderOf } from '../../src/local/listing.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()
const bucket = createClient(project.url, project.secretKey).storage.from('attachments')

test('a folder is listed as the hosted Storage lists it', async t => {
  const keys = ['7070/5-1.jpg', '7070/5-2.jpg', '7070/55-1.jpg', '7070/below/x.jpg', '70701/5-9.jpg']
  for (const key of keys) assert.equal((await bucket.upload(key, 'abc')).error, null)
  t.after(async () => void (await bucket.remove(keys)))
  const names = async (options: { search?: string; limit?: number; offset?: number } = {}) => {
    const { data, error } = await bucket.list('7070', options)
    assert.equal(error, null)
    return data?.map(({ name, id }) => (id === null ? `${name}/` : name))
  }
  assert.deepEqual(await names(), ['5-1.jpg', '5-2.jpg', '55-1.jpg', 'below/'])
  assert.deepEqual(await names({ search: '5-' }), ['5-1.jpg', '5-2.jpg'])
  assert.deepEqual(await names({ limit: 2, offset: 1 }), ['5-2.jpg', '55-1.jpg'])
})

test('a wrong key is refused as ever', async () => {
  const { error } = await createClient(project.url, `sb_secret_${'x'.repeat(30)}`)
    .storage.from('attachments')
    .list('7070')
  assert.ok(error !== null)
})

test('two objects of one folder are one entry, and the order can be turned', () => {
  const all = ['a', 'f/1', 'f/2'].map(name => ({ name, id: name }))
  const question = { search: '', limit: 100, offset: 0 }
  assert.deepEqual(folderOf(all, '', question), [
    { name: 'a', id: 'a' },
    { name: 'f', id: null, metadata: null },
  ])
  const names = folderOf(all, 'f/', { ...question, sortBy: { order: 'desc' } }).map(({ name }) => name)
  assert.deepEqual(names, ['2', '1'])
})
