import { join } from 'node:path'
import { pino } from 'pino'
import { describeError } from '../errors.ts'
import { createLog } from '../log.ts'
import { type EdgeFunction, startEdgeFunction } from './edge-function.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { type ProjectKeys, projectKeys } from './keys.ts'
import { type Lite, startLite } from './lite.ts'
import { freePort } from './ports.ts'
import { type Cluster, startCluster } from './postgres.ts'
import { prepareDatabase } from './prepare.ts'
import { openChildRegistry } from './processes.ts'
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
  /** Settles when a part ended that nobody asked to end. */
  readonly broken: Promise<string>
  /** Stops every part in reverse order; twice is harmless. */
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
}

/** As hosted projects have it after our migration; the daemon's own limit may be lower. */
export const FILE_SIZE_LIMIT = 100 * 2 ** 20

/** Starts all parts. When one fails, those already started are stopped before the error is thrown. */
export async function startProject(options: LocalProjectOptions): Promise<LocalProject> {
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next()
  }
  try {
    return await startParts(options, stops, stop)
  } catch (error) {
    await stop().catch(failure => process.stderr.write(`${describeError(failure)}\n`))
    throw error
  }
}

async function startParts(
  options: LocalProjectOptions,
  stops: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<LocalProject> {
  const step = options.onStep ?? (() => undefined)
  const registry = await openChildRegistry(options.folder)
  stops.push(async () => registry.close())
  const log = createLog('info', pino.destination({ dest: join(options.folder, 'project.log'), mkdir: true }))
  const keys = projectKeys(join(options.folder, 'keys.json'))
  const endings: Promise<string>[] = []

  let databaseUrl = options.databaseUrl
  if (databaseUrl === undefined) {
    step('PostgreSQL')
    const cluster: Cluster = await startCluster({
      folder: join(options.folder, 'postgres'),
      registry,
      port: options.databasePort ?? 0,
      fresh: options.fresh ?? false,
    })
    stops.push(cluster.stop)
    endings.push(cluster.ended)
    databaseUrl = cluster.url('postgres')
    step('Migrations')
    await prepareDatabase({
      databaseUrl,
      folder: join(options.folder, 'lite'),
      registry,
      keys,
      fileSizeLimit: FILE_SIZE_LIMIT,
    })
  }

  step('Data API and Storage')
  const lite: Lite = await startLite({
    folder: join(options.folder, 'lite'),
    registry,
    databaseUrl,
    keys,
    fileSizeLimit: FILE_SIZE_LIMIT,
  })
  stops.push(lite.stop)
  endings.push(lite.ended)

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
  const port = await freePort(options.port)
  const edgeFunction: EdgeFunction = await startEdgeFunction({
    registry,
    environment: functionSecrets(keys, port),
  })
  stops.push(edgeFunction.stop)
  endings.push(edgeFunction.ended)

  const gateway: Gateway = await startGateway(port, {
    api: lite.url,
    functions: edgeFunction.url,
    upgrade: realtime.handleUpgrade,
  })
  stops.push(gateway.stop)

  return {
    url: gateway.url,
    webhookUrl: `${gateway.url}/functions/v1/whatsapp-webhook`,
    databaseUrl,
    keys,
    whatsapp,
    realtime,
    broken: Promise.race(endings),
    stop,
  }
}

function functionSecrets(keys: ProjectKeys, port: number): Record<string, string> {
  return {
    SUPABASE_URL: `http://127.0.0.1:${port}`,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secret }),
    WHATSAPP_APP_SECRET: keys.whatsappAppSecret,
    WHATSAPP_VERIFY_TOKEN: keys.whatsappVerifyToken,
  }
}
