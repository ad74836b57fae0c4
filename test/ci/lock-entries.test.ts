import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { completed, type Lock, missingEntries, platformOf } from '../../.ci/lock-entries.ts'

suite('platformOf', () => {
  const platforms: [name: string, cpu: string, os: string, libc?: string][] = [
    ['@biomejs/cli-darwin-arm64', 'arm64', 'darwin'],
    ['@biomejs/cli-android-x64', 'x64', 'android'],
    ['@biomejs/cli-win32-x64', 'x64', 'win32'],
    ['@deno/linux-arm64-glibc', 'arm64', 'linux', 'glibc'],
    ['@deno/win32-arm64', 'arm64', 'win32'],
    ['@supabase/cli-linux-x64-musl', 'x64', 'linux', 'musl'],
    ['@supabase/cli-windows-arm64', 'arm64', 'win32'],
    ['some-tool-linux-x64-gnu', 'x64', 'linux', 'glibc'],
    ['@esbuild/linux-ia32', 'ia32', 'linux'],
  ]
  for (const [name, cpu, os, libc] of platforms) {
    test(`reads ${name}`, () => {
      const expected = { cpu: [cpu], os: [os], ...(libc === undefined ? {} : { libc: [libc] }) }
      assert.deepEqual(platformOf(name, []), expected)
    })
  }

  test('takes a plain Linux build beside a musl one for that of glibc', () => {
    const siblings = ['@supabase/cli-linux-x64', '@supabase/cli-linux-x64-musl']
    assert.deepEqual(platformOf('@supabase/cli-linux-x64', siblings)?.libc, ['glibc'])
    assert.equal(platformOf('@supabase/cli-linux-x64', ['@supabase/cli-linux-arm64-musl'])?.libc, undefined)
  })

  test('knows nothing of names without a platform, nor of those in the scope alone', () => {
    for (const name of ['fsevents', 'pg-cloudflare', '@linux-x64/tool', 'darwin-tool', 'x64-tool']) {
      assert.equal(platformOf(name, []), undefined, name)
    }
  })
})

/** A lock file of one tool with builds for two platforms, of which the registry had one. */
const oneMissing = {
  name: 'project',
  lockfileVersion: 3,
  packages: {
    '': { version: '1.0.0' },
    'node_modules/tool': {
      version: '2.0.0',
      dev: true,
      optionalDependencies: { '@tool/linux-x64': '2.0.0', '@tool/darwin-arm64': '2.0.0' },
    },
    'node_modules/@tool/linux-x64': { version: '2.0.0', dev: true, optional: true },
    'node_modules/aaa': { version: '1.0.0' },
  },
}

const additions = (lock: Lock) => missingEntries(lock).map(({ path, entry }) => [path, entry?.version])

suite('a lock file that lacks a build', () => {
  test('gets its entry, as npm writes it', () => {
    const lock = completed(oneMissing, missingEntries(oneMissing))
    assert.deepEqual(Object.entries(lock.packages)[1], [
      'node_modules/@tool/darwin-arm64',
      { version: '2.0.0', cpu: ['arm64'], dev: true, optional: true, os: ['darwin'] },
    ])
  })

  test("keeps everything else, in npm's order", () => {
    const lock = completed(oneMissing, missingEntries(oneMissing))
    assert.deepEqual(Object.keys(lock), ['name', 'lockfileVersion', 'packages'])
    assert.deepEqual(Object.keys(lock.packages), [
      '',
      'node_modules/@tool/darwin-arm64',
      'node_modules/@tool/linux-x64',
      'node_modules/aaa',
      'node_modules/tool',
    ])
    for (const [path, entry] of Object.entries(oneMissing.packages))
      assert.equal(Reflect.get(lock.packages, path), entry)
  })

  test('is complete afterwards', () => {
    assert.deepEqual(missingEntries(completed(oneMissing, missingEntries(oneMissing))), [])
  })

  test('is told of a build that only a registry can describe, and stays without it', () => {
    const optionalDependencies = { fsevents: '2.3.3', '@tool/win32-x64': '^2.0.0' }
    const lock = { packages: { 'node_modules/tool': { version: '2.0.0', optionalDependencies } } }
    const missing = missingEntries(lock)
    assert.deepEqual(
      missing.map(({ name, wanted, entry }) => [name, wanted, entry]),
      [
        ['fsevents', '2.3.3', undefined],
        ['@tool/win32-x64', '^2.0.0', undefined],
      ],
    )
    assert.deepEqual(completed(lock, missing), lock)
  })

  test('of a tool that is no devDependency gets no dev entry', () => {
    const optionalDependencies = { '@tool/win32-x64': '2.0.0' }
    const lock = { packages: { 'node_modules/tool': { version: '2.0.0', optionalDependencies } } }
    assert.equal(missingEntries(lock)[0]?.entry?.dev, undefined)
  })
})

suite('two versions of a tool', () => {
  const tool = (version: string) => ({ version, optionalDependencies: { '@tool/darwin-x64': version } })
  const build = (version: string) => ({ version, optional: true })
  const inner = 'node_modules/user/node_modules/tool'

  test('have their builds where each finds its own', () => {
    const packages = { [inner]: tool('1.0.0'), 'node_modules/tool': tool('2.0.0') }
    const withOne = { packages: { ...packages, 'node_modules/@tool/darwin-x64': build('2.0.0') } }
    assert.deepEqual(additions(withOne), [[`${inner}/node_modules/@tool/darwin-x64`, '1.0.0']])
    assert.deepEqual(missingEntries(completed(withOne, missingEntries(withOne))), [])
  })

  test('are satisfied by a build beside the inner one', () => {
    const beside = 'node_modules/user/node_modules/@tool/darwin-x64'
    assert.deepEqual(additions({ packages: { [inner]: tool('1.0.0'), [beside]: build('1.0.0') } }), [])
  })

  test('after an update: the entry of the old one gives way', () => {
    const packages = { 'node_modules/@tool/darwin-x64': build('1.0.0'), 'node_modules/tool': tool('2.0.0') }
    assert.deepEqual(additions({ packages }), [['node_modules/@tool/darwin-x64', '2.0.0']])
    assert.deepEqual(missingEntries(completed({ packages }, missingEntries({ packages }))), [])
  })
})
