import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { UserError } from '../errors.ts'
import type { ProjectKeys } from './keys.ts'
import { freePort } from './ports.ts'
import type { ChildRegistry } from './processes.ts'

/** @supabase/lite as the Data API and Storage of the local project. */
export interface Lite {
  readonly url: string
  readonly ended: Promise<string>
  /** The last lines that it wrote. */
  lastWords(): string
  stop(): Promise<void>
}

export interface LiteOptions {
  /** Its configuration and the stored objects live here. */
  readonly folder: string
  readonly registry: ChildRegistry
  readonly databaseUrl: string
  readonly keys: ProjectKeys
  /** Bytes. */
  readonly fileSizeLimit: number
}

/** Starts the server and waits until it answers. Its schema is read once, now: migrate before, not after. */
export async function startLite(options: LiteOptions): Promise<Lite> {
  const port = await freePort()
  mkdirSync(options.folder, { recursive: true })
  writeFileSync(join(options.folder, CONFIG), configuration(options, port), { mode: 0o600 })
  const child = options.registry.spawn(
    'lite',
    process.execPath,
    [liteProgram(), 'start', '--no-admin', '--config', CONFIG],
    {
      cwd: options.folder,
      env: {
        ...process.env,
        // It makes a folder .lite there.
        HOME: options.folder,
        EXPERIMENTAL_STORAGE: '1',
        LITE_TELEMETRY: '0',
        DO_NOT_TRACK: '1',
        NO_COLOR: '1',
      },
    },
  )
  const url = `http://127.0.0.1:${port}`
  const giveUp = new AbortController()
  const failed = child.ended.then(why => {
    giveUp.abort()
    throw new UserError(`The local Data API did not start: ${why}`, { hint: child.lastWords() })
  })
  failed.catch(() => undefined)
  const signal = AbortSignal.any([giveUp.signal, AbortSignal.timeout(START_LIMIT_MS)])
  const ready = await Promise.race([answers(`${url}/storage/v1/bucket`, options.keys.secret, signal), failed])
  if (!ready) {
    await child.stop('SIGKILL')
    throw new UserError(`The local Data API did not answer within ${START_LIMIT_MS / 1000} s.`, {
      hint: child.lastWords(),
    })
  }
  return { url, ended: child.ended, lastWords: child.lastWords, stop: () => child.stop('SIGTERM') }
}

/** It answers after 1 s here; a machine that needs more than a minute has another trouble. */
const START_LIMIT_MS = 60_000

/** Relative to the working folder, which is how @supabase/lite looks for a module. */
const CONFIG = 'lite.config.mjs'

/**
 * A module and not config.toml, because @supabase/lite 0.10.0 hands the driver json and jsonb arguments that are
 * JSON text already, and the driver encodes them once more: a function would see a jsonb string instead of an
 * array or object. A connection of our own takes texts as they are.
 */
function configuration({ databaseUrl, keys, fileSizeLimit }: LiteOptions, port: number): string {
  const quoted = (value: string) => JSON.stringify(value)
  return `import { createPostgresConnection } from ${quoted(import.meta.resolve('@supabase/lite/postgres'))}

const serialize = value => (typeof value === 'string' ? value : JSON.stringify(value))

export default {
  connection: createPostgresConnection({
    url: ${quoted(databaseUrl)},
    postgresOptions: {
      onnotice: () => {},
      types: {
        json: { to: 114, from: [114], serialize, parse: JSON.parse },
        jsonb: { to: 3802, from: [3802], serialize, parse: JSON.parse },
      },
    },
  }),
  api: { port: ${port} },
  auth: {
    publishable_key: ${quoted(keys.publishable)},
    secret_key: ${quoted(keys.secret)},
    jwt_secret: ${quoted(keys.jwtSecret)},
  },
  storage: { enabled: true, file_size_limit: ${quoted(String(fileSizeLimit))} },
}
`
}

function liteProgram(): string {
  try {
    return join(dirname(fileURLToPath(import.meta.resolve('@supabase/lite'))), 'cli', 'index.js')
  } catch (cause) {
    throw new UserError(
      'The package @supabase/lite, which is the local Data API and Storage, is not installed.',
      {
        hint: 'Install the local project with `npm install --save-dev @supabase/lite postgres`.',
        cause,
      },
    )
  }
}

/** Waits until the server answers that request at all. False when the signal came first. */
async function answers(url: string, key: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    try {
      const { statusCode, body } = await request(url, { headers: { apikey: key }, signal })
      await body.dump()
      if (statusCode < 500) return true
    } catch {
      // Not listening yet.
    }
    await delay(50)
  }
  return false
}
