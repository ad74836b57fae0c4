import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { UserError } from '../errors.ts'
import { PACKAGE_ROOT } from './prepare.ts'
import type { ChildRegistry } from './processes.ts'

/** The webhook under the real Deno, as the platform runs it. */
export interface EdgeFunction {
  readonly url: string
  readonly ended: Promise<string>
  /** The last lines that it wrote. */
  lastWords(): string
  stop(): Promise<void>
}

export interface EdgeFunctionOptions {
  readonly registry: ChildRegistry
  /** What the platform would inject, and the project's own secrets. */
  readonly environment: Readonly<Record<string, string>>
}

/**
 * Beside `src/`, as this file itself stands: TypeScript in a clone, JavaScript below `dist/` in the published
 * package, because Deno 2.9 takes no types off files under node_modules.
 */
const FUNCTIONS = join(import.meta.dirname, '..', '..', 'supabase', 'functions')
const EXTENSION = extname(import.meta.filename)

/** Starts the function on a free port, with imports from the project's node_modules and no other network. */
export async function startEdgeFunction(options: EdgeFunctionOptions): Promise<EdgeFunction> {
  const entry = join(FUNCTIONS, 'whatsapp-webhook', `index${EXTENSION}`)
  const flags = [
    '--node-modules-dir=manual',
    '--cached-only',
    '--no-lock',
    '--allow-env',
    '--allow-net=127.0.0.1',
  ]
  const child = options.registry.spawn('deno', denoProgram(), ['run', ...flags, entry], {
    cwd: PACKAGE_ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DENO_NO_UPDATE_CHECK: '1',
      NO_COLOR: '1',
      DENO_SERVE_ADDRESS: 'tcp:127.0.0.1:0',
      ...options.environment,
    },
  })
  const url = await new Promise<string>((resolve, reject) => {
    let said = ''
    child.process.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
      const address = /Listening on (http:\/\/[0-9.:]+)/.exec(said)?.[1]
      if (address !== undefined) resolve(address)
    })
    child.ended.then(why =>
      reject(new UserError(`The webhook did not start: ${why}`, { hint: child.lastWords() })),
    )
  })
  return { url, ended: child.ended, lastWords: child.lastWords, stop: () => child.stop('SIGTERM') }
}

function denoProgram(): string {
  const name = process.platform === 'win32' ? 'deno.exe' : 'deno'
  try {
    const program = join(dirname(createRequire(import.meta.url).resolve('deno/package.json')), name)
    if (existsSync(program)) return program
  } catch {
    // Said below, as for a package whose install script did not run.
  }
  throw new UserError('The package deno, which runs the webhook, is not installed.', {
    hint: 'Install the local project with `npm install --save-dev deno` (and let npm run its install script).',
  })
}
