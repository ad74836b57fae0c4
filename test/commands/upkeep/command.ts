import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BARE_ENVIRONMENT } from '../../support/bare-environment.ts'
import type { TestProject } from '../../support/project.ts'

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/** `mediaferry` as a program calls it, for that project, in a folder without a `.env`. */
export function commandsFor(project: TestProject) {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-upkeep-'))
  const running = new Set<ChildProcess>()
  after(() => {
    for (const child of running) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  /** `more` is environment. */
  function start(args: readonly string[], more: Readonly<Record<string, string>> = {}): Running {
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: folder,
      env: {
        ...BARE_ENVIRONMENT,
        SUPABASE_URL: project.url,
        SUPABASE_SECRET_KEY: project.secretKey,
        ...more,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let out = ''
    let err = ''
    child.stdout.on('data', chunk => {
      out += chunk
    })
    child.stderr.on('data', chunk => {
      err += chunk
    })
    const ended = new Promise<Ended>(resolve => {
      child.once('close', code => {
        running.delete(child)
        resolve({ code, out, err })
      })
    })
    return { child, ended }
  }

  return { start, run: (args: readonly string[], more = {}) => start(args, more).ended }
}

/** Puts bytes where a key names, over whatever is there. */
export async function putObject(project: TestProject, key: string, bytes: Buffer): Promise<void> {
  const answer = await fetch(`${project.url}/storage/v1/object/attachments/${key}`, {
    method: 'POST',
    headers: { apikey: project.secretKey, 'content-type': 'image/jpeg', 'x-upsert': 'true' },
    body: new Uint8Array(bytes),
  })
  if (!answer.ok) throw new Error(`Storage refused ${key}: ${await answer.text()}`)
}

export async function removeObjects(project: TestProject, keys: readonly string[]): Promise<void> {
  const answer = await fetch(`${project.url}/storage/v1/object/attachments`, {
    method: 'DELETE',
    headers: { apikey: project.secretKey, 'content-type': 'application/json' },
    body: JSON.stringify({ prefixes: keys }),
  })
  if (!answer.ok) throw new Error(`Storage refused to remove: ${await answer.text()}`)
}

/** Every key in the bucket, from Storage's own table. */
export async function keysOf(project: TestProject): Promise<string[]> {
  const { rows } = await project.database.query<{ name: string }>(
    `select name from storage.objects where bucket_id = 'attachments' order by name`,
  )
  return rows.map(row => row.name)
}
