import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { type Cluster, type ClusterOptions, startCluster } from '../../src/local/postgres.ts'
import { query } from '../../src/local/prepare.ts'
import { openChildRegistry } from '../../src/local/processes.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

let folder = ''
let undo: (() => unknown)[] = []

beforeEach(() => {
  folder = temporaryFolder('postgres-test')
  undo = [() => rmSync(folder, { recursive: true })]
})
afterEach(async () => {
  for (const step of undo.reverse()) await step()
})

/** `stop` of what it answers leaves the folder to the next start. */
async function start(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const registry = await openChildRegistry(folder)
  undo.push(() => registry.close())
  const cluster = await startCluster({ folder: join(folder, 'postgres'), registry, ...options })
  const stop = async () => {
    await cluster.stop()
    registry.close()
  }
  undo.push(stop)
  return { ...cluster, stop }
}

async function setting(cluster: Cluster, name: string): Promise<string> {
  const { rows } = await query(cluster.url('postgres'), `show ${name}`)
  return rows[0]?.[name]
}

const connect = (cluster: Cluster) => query(cluster.url('postgres'), 'select 1')

test('is PostgreSQL 17 with logical decoding on loopback alone, and keeps its data', async () => {
  const first = await start({ settings: { work_mem: '7MB' } })
  assert.match(await setting(first, 'server_version'), /^17\./)
  assert.equal(await setting(first, 'wal_level'), 'logical')
  assert.equal(await setting(first, 'listen_addresses'), '127.0.0.1')
  assert.equal(await setting(first, 'work_mem'), '7MB')
  await query(first.url('postgres'), 'create table kept (id int); insert into kept values (1)')
  await first.crash()
  await assert.rejects(connect(first))
  await first.stop()

  const second = await start({ port: first.port })
  assert.equal(second.port, first.port, 'the port that was asked for, as it is free')
  const { rows } = await query(second.url('postgres'), 'select * from kept')
  assert.deepEqual(rows, [{ id: 1 }])
  await second.stop()
  assert.equal(await second.ended, 'postgres ended (exit 0)')

  const third = await start({ fresh: true })
  await assert.rejects(query(third.url('postgres'), 'select * from kept'), /does not exist/)
})

test('is ended by the next start when its parent was killed, and its data are whole', async () => {
  const program = join(import.meta.dirname, 'postgres-owner.ts')
  const owner = spawn(process.execPath, ['--import', 'tsx', program, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  undo.push(() => owner.kill('SIGKILL'))
  const [line] = await once(owner.stdout, 'data')
  const url = String(line).trim()
  await query(url, 'create table kept (id int); insert into kept values (1)')
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  await query(url, 'select * from kept')

  const next = await start()
  await assert.rejects(query(url, 'select 1'), 'the orphan is gone')
  assert.deepEqual((await query(next.url('postgres'), 'select * from kept')).rows, [{ id: 1 }])
})

test('that cannot start says why', async () => {
  await assert.rejects(start({ settings: { shared_buffers: 'plenty' } }), {
    name: 'UserError',
    message: /did not start: postgres ended \(exit 1\)/,
    hint: /invalid value for parameter "shared_buffers"/,
  })
})

test('begins anew where making the data was interrupted, on another port where the one asked for is taken', async () => {
  const postgres = join(folder, 'postgres')
  mkdirSync(join(postgres, 'data-half'), { recursive: true })
  writeFileSync(join(postgres, 'data-half', 'PG_VERSION'), '17\n')
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  undo.push(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const cluster = await start({ port })
  await connect(cluster)
  assert.notEqual(cluster.port, port)
  assert.deepEqual(readdirSync(postgres).sort(), ['data', 'password'])
})

suite('a folder that only its owner may enter', () => {
  test('is no hindrance, not for root either, who has to run PostgreSQL as somebody else', async () => {
    chmodSync(folder, 0o700)
    await usable()
  })

  test('nor a umask that makes all folders so', async () => {
    const before = process.umask(0o077)
    undo.push(() => process.umask(before))
    chmodSync(folder, 0o700)
    await usable()
  })

  async function usable(): Promise<void> {
    const cluster = await start()
    const data = await setting(cluster, 'data_directory')
    undo.splice(1, 0, () => removeIfElsewhere(dirname(dirname(data))))
    const asRoot = process.getuid?.() === 0
    assert.equal(data.startsWith(folder), !asRoot)
  }

  function removeIfElsewhere(place: string): void {
    if (place !== folder) rmSync(place, { recursive: true })
  }
})
