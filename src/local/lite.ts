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
  mkdirSync(join(options.folder, 'supabase'), { recursive: true })
  const config = join(options.folder, 'supabase', 'config.toml')
  writeFileSync(config, configuration(options, port))
  const child = options.registry.spawn(
    'lite',
    process.execPath,
    [liteProgram(), 'start', '--no-admin', '--config', config],
    {
      cwd: options.folder,
      env: {
        ...process.env,
        EXPERIMENTAL_STORAGE: '1',
        LITE_TELEMETRY: '0',
        DO_NOT_TRACK: '1',
        NO_COLOR: '1',
      },
    },
  )
  const url = `http://127.0.0.1:${port}`
  const failed = child.ended.then(why => {
    throw new UserError(`The local Data API did not start: ${why}`, { hint: child.lastWords() })
  })
  failed.catch(() => undefined)
  await Promise.race([answers(`${url}/storage/v1/bucket`, options.keys.secret), failed])
  return { url, ended: child.ended, stop: () => child.stop('SIGTERM') }
}

function configuration({ databaseUrl, keys, fileSizeLimit }: LiteOptions, port: number): string {
  return `project_id = "mediaferry"

[api]
port = ${port}

[db]
driver = "postgres"
url = "${databaseUrl}"

[auth]
publishable_key = "${keys.publishable}"
secret_key = "${keys.secret}"
jwt_secret = "${keys.jwtSecret}"

[storage]
enabled = true
file_size_limit = "${fileSizeLimit}"
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

/** Waits until the server answers that request at all. */
async function answers(url: string, key: string): Promise<void> {
  for (;;) {
    try {
      const { statusCode, body } = await request(url, { headers: { apikey: key } })
      await body.dump()
      if (statusCode < 500) return
    } catch {
      // Not listening yet.
    }
    await delay(50)
  }
}
