import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { createLog } from '../log.ts'
import { type EdgeFunction, startEdgeFunction } from './edge-function.ts'
import { startGateway } from './gateway.ts'
import { type ProjectKeys, projectKeys } from './keys.ts'
import { startLite } from './lite.ts'
import { freePort } from './ports.ts'
import { startCluster } from './postgres.ts'
import { prepareDatabase } from './prepare.ts'
import { type ChildRegistry, openChildRegistry } from './processes.ts'
import { type RealtimeServer, startRealtime } from './realtime/server.ts'
import { startWhatsApp, type WhatsAppSimulator } from './whatsapp/index.ts'

/** A whole Supabase project and a WhatsApp on this machine. */
export interface LocalProject {
  /** The project's address: Data API, Storage, Realtime and functions behind one port, as hosted. */
  readonly url: string
  readonly webhookUrl: string
  readonly databaseUrl: string
  readonly keys: ProjectKeys
  readonly whatsapp: WhatsAppSimulator
  readonly realtime: RealtimeServer
  /** Settles when a part ended that nobody asked to end. What it said last is in `project.log`. */
  readonly broken: Promise<string>
  /** Stops every part in reverse order, also when one cannot be stopped; twice is harmless. */
  stop(): Promise<void>
}

export interface LocalProjectOptions {
  /** Data, objects and keys live here; made on first use. */
  readonly folder: string
  /** A database that is prepared already; a cluster of its own is started when left out. */
  readonly databaseUrl?: string
  /** Begin with an empty database. */
  readonly fresh?: boolean
  /** Wished for, and replaced by a free one when taken. */
  readonly port?: number
  readonly databasePort?: number
  readonly whatsappPort?: number
  /** Told what is being done, for a person who waits. */
  readonly onStep?: (step: string) => void
  /** Gives up a start: ends at once what runs by then, and `startProject` throws. Without effect afterwards. */
  readonly signal?: AbortSignal
}

/** As hosted projects have it after our migration; the daemon's own limit may be lower. */
export const FILE_SIZE_LIMIT = 100 * 2 ** 20

/** Starts all parts. When one fails, those already started are stopped before the error is thrown. */
export async function startProject(options: LocalProjectOptions): Promise<LocalProject> {
  const registry = await openChildRegistry(options.folder)
  options.signal?.addEventListener('abort', registry.endAll)
  const stops: Stop[] = [async () => registry.close()]
  try {
    return await startParts(options, registry, stops)
  } catch (error) {
    // Why it could not start is the better reason.
    await stopAll(stops).catch(() => undefined)
    throw error
  } finally {
    options.signal?.removeEventListener('abort', registry.endAll)
  }
}

type Stop = () => Promise<void>

/** A part that is a process of its own. */
interface Part {
  readonly ended: Promise<string>
  lastWords(): string
  stop(): Promise<void>
}

async function stopAll(stops: Stop[]): Promise<void> {
  const failures: unknown[] = []
  for (let next = stops.pop(); next !== undefined; next = stops.pop()) {
    await next().catch(failure => failures.push(failure))
  }
  if (failures.length > 0) throw new AggregateError(failures)
}

async function startParts(
  options: LocalProjectOptions,
  registry: ChildRegistry,
  stops: Stop[],
): Promise<LocalProject> {
  const step = (name: string) => {
    options.signal?.throwIfAborted()
    options.onStep?.(name)
  }
  const liteFolder = join(options.folder, 'lite')
  if (options.fresh === true) rmSync(liteFolder, { recursive: true, force: true })
  const log = createLog('info', pino.destination({ dest: join(options.folder, 'project.log'), sync: true }))
  const keys = projectKeys(join(options.folder, 'keys.json'))
  const endings: Promise<string>[] = []
  const add = (part: Part) => {
    stops.push(part.stop)
    endings.push(part.ended)
    part.ended.then(why => log.info({ last_words: part.lastWords() }, why))
  }

  let databaseUrl = options.databaseUrl
  if (databaseUrl === undefined) {
    step('PostgreSQL')
    const cluster = await startCluster({
      folder: join(options.folder, 'postgres'),
      registry,
      port: options.databasePort ?? 0,
      fresh: options.fresh ?? false,
    })
    add(cluster)
    databaseUrl = cluster.url('postgres')
    step('Migrations')
    await prepareDatabase({ databaseUrl, folder: liteFolder, registry, keys, fileSizeLimit: FILE_SIZE_LIMIT })
  }

  step('Data API and Storage')
  const lite = await startLite({
    folder: liteFolder,
    registry,
    databaseUrl,
    keys,
    fileSizeLimit: FILE_SIZE_LIMIT,
  })
  add(lite)

  step('Realtime')
  const realtime = await startRealtime({
    databaseUrl,
    keys: { publishable: keys.publishable, secret: keys.secret },
    log,
  })
  stops.push(realtime.stop)

  step('WhatsApp simulator')
  const whatsapp = await startWhatsApp({
    accessToken: keys.whatsappAccessToken,
    appSecret: keys.whatsappAppSecret,
    ...(options.whatsappPort === undefined
      ? {}
      : { graphPort: options.whatsappPort, mediaPort: options.whatsappPort + 1 }),
  })
  stops.push(whatsapp.stop)

  step('Webhook')
  let edgeFunction: EdgeFunction | undefined
  const gateway = await startGateway(await freePort(options.port), {
    api: lite.url,
    webhook: () => edgeFunction?.url,
    upgrade: realtime.handleUpgrade,
  })
  stops.push(gateway.stop)
  edgeFunction = await startEdgeFunction({ registry, environment: functionSecrets(keys, gateway.url) })
  add(edgeFunction)
  options.signal?.throwIfAborted()

  let stopping: Promise<void> | undefined
  return {
    url: gateway.url,
    webhookUrl: `${gateway.url}/functions/v1/whatsapp-webhook`,
    databaseUrl,
    keys,
    whatsapp,
    realtime,
    broken: Promise.race(endings),
    stop() {
      stopping ??= stopAll(stops)
      return stopping
    },
  }
}

function functionSecrets(keys: ProjectKeys, url: string): Record<string, string> {
  return {
    SUPABASE_URL: url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secret }),
    WHATSAPP_APP_SECRET: keys.whatsappAppSecret,
    WHATSAPP_VERIFY_TOKEN: keys.whatsappVerifyToken,
  }
}
