import { mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import pg from 'pg'
import { UserError } from '../../src/errors.ts'
import { type EdgeFunction, startEdgeFunction } from '../../src/local/edge-function.ts'
import { projectKeys } from '../../src/local/keys.ts'
import { type Cluster, startCluster } from '../../src/local/postgres.ts'
import { PACKAGE_ROOT, prepareDatabase, query } from '../../src/local/prepare.ts'
import { type ChildRegistry, openChildRegistry, type RecordedChild } from '../../src/local/processes.ts'

/** Everything around the measured process, each in a process of its own, on loopback. */
export interface World {
  /** The superuser's connection, for arranging and looking: its statements are not counted. */
  readonly database: pg.Pool
  readonly databaseUrl: string
  /** As a measured peer connects: its statements are counted. */
  readonly peerUrl: string
  readonly metaUrl: string
  readonly projectUrl: string
  readonly secretKey: string
  /** For the daemons' state files; empty at first. */
  readonly stateFolder: string
  /** A child that runs a file of this folder. */
  start(
    name: string,
    file: string,
    env?: Readonly<Record<string, string>>,
    flags?: readonly string[],
  ): Program
  /** The daemon, as ecosystem.config.cjs has PM2 start it. */
  startDaemon(env: Readonly<Record<string, string>>, flags?: readonly string[]): Program
  /** The webhook under the real Deno, with an app secret of its own. Answers its address. */
  startWebhook(appSecret: string): Promise<string>
  /** What a server's process says beside its port. */
  readonly meta: Program
  readonly realtime: Program
  stop(): Promise<void>
}

/** A child of the benchmark, and what it says over Node's channel, or the daemon in its log. */
export interface Program {
  readonly pid: number
  send(message: unknown): void
  /** The next message that has this key; rejects when the child ends first. */
  says(key: string): Promise<Readonly<Record<string, unknown>>>
  /** Answers what ends it. */
  onSays(listener: (message: Readonly<Record<string, unknown>>) => void): () => void
  stop(): Promise<void>
}

const SECRET_KEY = 'sb_secret_benchbenchbenchbench'
const PEER = 'bench_peer'

export interface WorldOptions {
  /** Have the Realtime server tell when it sent a row. */
  readonly watch?: boolean
  /** Events a second above which the Realtime server drops, as a hosted project's does. */
  readonly rateLimit?: number
  /** Below `.mediaferry`, `bench` unless told otherwise: each is one run's at a time. */
  readonly folder?: string
}

/** Starts all of it; a folder of its own below `.mediaferry`, with a database that begins empty. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  if (process.platform !== 'linux') {
    throw new UserError('The benchmark reads CPU time and memory from /proc, which only Linux has.')
  }
  const folder = join(PACKAGE_ROOT, '.mediaferry', options.folder ?? 'bench')
  const registry = await openChildRegistry(folder)
  try {
    return await startParts(folder, registry, options)
  } catch (error) {
    registry.endAll()
    registry.close()
    throw error
  }
}

async function startParts(folder: string, registry: ChildRegistry, options: WorldOptions): Promise<World> {
  const cluster = await startCluster({
    folder: join(folder, 'postgres'),
    registry,
    fresh: true,
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      shared_buffers: '512MB',
      max_wal_size: '4GB',
    },
  })
  const stateFolder = join(folder, 'states')
  rmSync(stateFolder, { recursive: true, force: true })
  mkdirSync(stateFolder)
  const databaseUrl = await prepare(cluster, folder, registry)
  const peerUrl = databaseUrl.replace(/\/\/[^@]*@/, `//${PEER}:${PEER}@`)

  const start: World['start'] = (name, file, env = {}, flags = []) =>
    program(
      registry.spawn(name, process.execPath, [...flags, join(import.meta.dirname, file)], {
        env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      }),
    )
  const portOf = async (started: Program) => Number((await started.says('port')).port)

  const server = { BENCH_DATABASE_URL: databaseUrl, BENCH_SECRET_KEY: SECRET_KEY }
  const meta = start('meta', 'servers/meta.ts')
  const rpc = start('rpc', 'servers/rpc.ts', server)
  const realtime = start('realtime', 'servers/realtime.ts', {
    ...server,
    BENCH_WATCH: options.watch === true ? '1' : '0',
    BENCH_RATE_LIMIT: String(options.rateLimit ?? ''),
  })
  const [metaPort, rpcPort, realtimePort] = await Promise.all([portOf(meta), portOf(rpc), portOf(realtime)])
  const storage = start('storage', 'servers/storage.ts', {
    BENCH_RPC_PORT: String(rpcPort),
    BENCH_REALTIME_PORT: String(realtimePort),
  })
  const metaUrl = `http://127.0.0.1:${metaPort}`
  const projectUrl = `http://127.0.0.1:${await portOf(storage)}`
  const database = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  database.on('error', () => undefined)
  let webhook: EdgeFunction | undefined

  return {
    database,
    databaseUrl,
    peerUrl,
    metaUrl,
    projectUrl,
    secretKey: SECRET_KEY,
    stateFolder,
    meta,
    realtime,
    start,
    startDaemon: (env, flags = []) => {
      const { interpreter, nodeFlags, script, cwd, env: own } = asPm2Starts()
      const child = registry.spawn('daemon', interpreter, [...nodeFlags, ...flags, script, 'start'], {
        cwd,
        env: { ...process.env, ...own, OPS_PORT: '0', ...env },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      })
      return program(child, 'ready')
    },
    startWebhook: async appSecret => {
      const environment = {
        SUPABASE_URL: projectUrl,
        SUPABASE_SECRET_KEYS: JSON.stringify({ default: SECRET_KEY }),
        WHATSAPP_APP_SECRET: appSecret,
        WHATSAPP_VERIFY_TOKEN: 'bench',
      }
      webhook = await startEdgeFunction({ registry, environment })
      return `${webhook.url}/whatsapp-webhook`
    },
    stop: async () => {
      await database.end()
      await webhook?.stop()
      for (const part of [storage, realtime, rpc, meta]) await part.stop()
      await cluster.stop()
      registry.close()
    },
  }
}

async function prepare(cluster: Cluster, folder: string, registry: ChildRegistry): Promise<string> {
  await query(cluster.url('postgres'), 'create database bench')
  const databaseUrl = cluster.url('bench')
  await prepareDatabase({
    databaseUrl,
    folder: join(folder, 'lite'),
    registry,
    keys: projectKeys(join(folder, 'keys.json')),
    fileSizeLimit: 100 * 2 ** 20,
  })
  await query(
    databaseUrl,
    `create extension pg_stat_statements;
     create role ${PEER} login superuser password '${PEER}';
     create table public.bench_sweeper (
       id bigint generated always as identity primary key,
       media text not null,
       key text not null,
       status text not null default 'pending'
     );
     create index on public.bench_sweeper (id) where status = 'pending'`,
  )
  return databaseUrl
}

interface App {
  readonly interpreter: string
  readonly nodeFlags: readonly string[]
  readonly script: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

function asPm2Starts(): App {
  const { apps } = createRequire(import.meta.url)(join(PACKAGE_ROOT, 'ecosystem.config.cjs'))
  const { interpreter, node_args, script, cwd, env } = apps[0]
  return { interpreter, nodeFlags: node_args.split(' '), script: join(cwd, script), cwd, env }
}

/** `ready`: PM2's word for a daemon that works, and the only one that is sent as plain text. */
function program(child: RecordedChild, word?: string): Program {
  const { process: started } = child
  const heard: Readonly<Record<string, unknown>>[] = []
  const listeners = new Set<(message: Readonly<Record<string, unknown>>) => void>()
  started.on('message', (said: unknown) => {
    const message =
      said === word && word !== undefined ? { [word]: true } : (said as Readonly<Record<string, unknown>>)
    heard.push(message)
    for (const listener of listeners) listener(message)
  })
  return {
    pid: started.pid ?? 0,
    send: message => started.send?.(message as object),
    says: key =>
      new Promise((resolve, reject) => {
        const at = heard.findIndex(message => key in message)
        const [earlier] = at < 0 ? [] : heard.splice(at, 1)
        if (earlier !== undefined) return resolve(earlier)
        const listener = (message: Readonly<Record<string, unknown>>) => {
          if (!(key in message)) return
          heard.splice(heard.indexOf(message), 1)
          listeners.delete(listener)
          resolve(message)
        }
        listeners.add(listener)
        child.ended.then(why => reject(new UserError(why, { hint: child.lastWords() })))
      }),
    onSays: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop: () => child.stop('SIGTERM', 15_000),
  }
}
