import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { signBody } from '../../../supabase/functions/whatsapp-webhook/sign.ts'

const FOLDER = join(import.meta.dirname, '../../../supabase/functions/whatsapp-webhook')
const DENO = join(dirname(createRequire(import.meta.url).resolve('deno/package.json')), 'deno')

export interface RealFunction {
  readonly url: string
  /** Every line that it wrote, standard output and error alike. */
  readonly lines: readonly string[]
  stop(): Promise<void>
}

/**
 * Runs the function as it is under Deno, on a free port of 127.0.0.1, with an empty cache of its own:
 * whatever is not in the project's node_modules is missing.
 */
export async function startFunction(env: Record<string, string>): Promise<RealFunction> {
  const cache = await mkdtemp(join(tmpdir(), 'webhook-deno-'))
  const flags = [
    '--node-modules-dir=manual',
    '--cached-only',
    '--no-lock',
    '--no-prompt',
    '--allow-env',
    '--allow-net=127.0.0.1',
  ]
  const child = spawn(DENO, ['run', ...flags, 'index.ts'], {
    cwd: FOLDER,
    env: {
      DENO_DIR: cache,
      DENO_NO_UPDATE_CHECK: '1',
      DENO_SERVE_ADDRESS: 'tcp:127.0.0.1:0',
      NO_COLOR: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
  const stop = async () => {
    child.kill('SIGKILL')
    await closed
    await rm(cache, { recursive: true, force: true })
  }

  const lines: string[] = []
  const listening = new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', line => {
        lines.push(line)
        const address = /^Listening on (http:\S+?)\/?$/.exec(line)?.[1]
        if (address !== undefined) resolve(address)
      })
    }
    child.once('error', reject)
    void closed.then(() => reject(new Error(`the function ended:\n${lines.join('\n')}`)))
  })
  try {
    return { url: `${await listening}/whatsapp-webhook`, lines, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Signs and sends a body as WhatsApp does; answers the status. */
export async function deliver(url: string, secret: string, body: Uint8Array<ArrayBuffer>): Promise<number> {
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': await signBody(secret, body) }
  const response = await fetch(url, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return response.status
}
