import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parseEnv } from 'node:util'
import { createClient } from '@supabase/supabase-js'
import { PHONE_NUMBER_ID } from '../../src/local/whatsapp/index.ts'
import { sendWebhook } from '../../src/local/whatsapp/send.ts'
import { newMessageId } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** The command as its user runs it: a process of its own in a folder of its own. */
const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.ts')

let folder = ''
const started: ChildProcess[] = []
before(() => {
  folder = temporaryFolder('dev')
})
after(async () => {
  for (const child of started) child.kill('SIGKILL')
  for (const pid of children().values()) if (isAlive(pid)) process.kill(-pid, 'SIGKILL')
  rmSync(folder, { recursive: true })
})

interface Dev {
  readonly process: ChildProcess
  /** Settles when that was printed; rejects when the command ends without. */
  says(text: string): Promise<void>
  readonly ended: Promise<{ code: number | null; output: string; errors: string }>
}

function startDev(args: readonly string[] = [], environment: NodeJS.ProcessEnv = {}): Dev {
  const child = spawn(process.execPath, [CLI, 'dev', ...args], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const ended = once(child, 'exit').then(([code]) => ({ code, output, errors }))
  return {
    process: child,
    ended,
    says: text =>
      new Promise((resolve, reject) => {
        const look = () => output.includes(text) && resolve()
        child.stdout.on('data', look)
        look()
        ended.then(({ code }) => reject(new Error(`ended with ${code}: ${output}${errors}`)))
      }),
  }
}

const READY = 'Ctrl-C stops it.'

/** Names and pids of the parts that are written down. */
function children(): Map<string, number> {
  const records = join(folder, '.mediaferry', 'dev', 'processes')
  const names = existsSync(records) ? readdirSync(records) : []
  return new Map(names.map(name => [name.split('-')[0] ?? '', Number(/(\d+)\.json$/.exec(name)?.[1])]))
}

/** False for a zombie: it has ended, and who adopted it may take its time to notice. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

function environment(): Record<string, string> {
  const found = parseEnv(readFileSync(join(folder, '.mediaferry', 'dev.env'), 'utf8'))
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, value ?? '']))
}

function database() {
  const { SUPABASE_URL = '', SUPABASE_SECRET_KEY = '' } = environment()
  return createClient(SUPABASE_URL, SUPABASE_SECRET_KEY)
}

async function rows(): Promise<unknown[]> {
  const { data, error } = await database().from('attachments').select('kind, upload_status')
  assert.equal(error, null)
  return data ?? []
}

/** Addresses in the form of /proc/net/tcp on which these processes listen. */
function listening(pids: readonly number[]): string[] {
  const sockets = pids.flatMap(pid =>
    readdirSync(`/proc/${pid}/fd`).map(name => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${name}`)
      } catch {
        return ''
      }
    }),
  )
  return ['tcp', 'tcp6'].flatMap(table =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .map(line => line.trim().split(/\s+/))
      .filter(([, , , state, ...rest]) => state === '0A' && sockets.includes(`socket:[${rest[5]}]`))
      .map(([, address = '']) => address),
  )
}

const ONE_ROW = [{ kind: 'image', upload_status: 'PENDING' }]
const LOOPBACK = /^0100007F:/

suite('mediaferry dev', () => {
  test('starts, takes a webhook, and leaves nothing running after Ctrl-C', async () => {
    const dev = startDev()
    await dev.says(READY)
    const { SUPABASE_URL = '', WHATSAPP_APP_SECRET = '' } = environment()
    const answer = await sendWebhook({
      url: `${SUPABASE_URL}/functions/v1/whatsapp-webhook`,
      appSecret: WHATSAPP_APP_SECRET,
      phoneNumberId: PHONE_NUMBER_ID,
      messages: [
        {
          id: newMessageId(),
          from: '15550001234',
          timestamp: Math.floor(Date.now() / 1000),
          media: { kind: 'image', id: '42', mimeType: 'image/jpeg', sha256: `${'A'.repeat(43)}=` },
        },
      ],
    })
    assert.equal(answer.status, 200)
    assert.deepEqual(await rows(), ONE_ROW)
    const stored = await database().storage.from('attachments').upload('unassigned/1', 'the bytes')
    assert.equal(stored.error, null)

    const parts = children()
    assert.deepEqual([...parts.keys()].sort(), ['deno', 'lite', 'postgres'])
    if (process.platform === 'linux') {
      const addresses = listening([dev.process.pid ?? 0, ...parts.values()])
      assert.ok(addresses.length >= 6, addresses.join())
      for (const address of addresses) assert.match(address, LOOPBACK)
    }

    const second = await startDev().ended
    assert.equal(second.code, 1)
    assert.match(second.errors, /^error: Another process is using the local project in .*\nStop that one/)
    assert.deepEqual(await rows(), ONE_ROW, 'the first goes on')

    dev.process.kill('SIGINT')
    // Under npm it comes twice.
    dev.process.kill('SIGINT')
    const { code, errors } = await dev.ended
    assert.deepEqual({ code, errors }, { code: 0, errors: '' })
    for (const pid of parts.values()) assert.equal(isAlive(pid), false)
    assert.equal(children().size, 0)
  })

  test('ends what a killed one left, and has its rows and objects', async () => {
    const killed = startDev()
    await killed.says(READY)
    const left = children()
    killed.process.kill('SIGKILL')
    await killed.ended
    assert.deepEqual([...left.values()].map(isAlive), [true, true, true], 'they outlive their parent')

    const next = startDev()
    await next.says(READY)
    for (const [name, pid] of left) assert.equal(isAlive(pid), false, name)
    assert.deepEqual(await rows(), ONE_ROW)
    const object = await database().storage.from('attachments').download('unassigned/1')
    assert.equal(await object.data?.text(), 'the bytes')

    const parts = children()
    process.kill(parts.get('postgres') ?? 0, 'SIGKILL')
    const { code, errors } = await next.ended
    assert.equal(code, 1)
    assert.match(errors, /^error: postgres ended \(SIGKILL\), so the local project was stopped\.\n/)
    assert.doesNotMatch(errors, /^ +at /m)
    for (const [name, pid] of parts) assert.equal(isAlive(pid), false, name)
  })

  test('stopped while it starts leaves nothing running', async () => {
    const dev = startDev()
    await dev.says('starting Data API')
    const parts = children()
    assert.ok(parts.has('postgres'))
    dev.process.kill('SIGTERM')
    const { code, output, errors } = await dev.ended
    assert.deepEqual({ code, errors }, { code: 130, errors: '' })
    assert.match(output, /Stopped before everything was there/)
    for (const pid of [...parts.values(), ...children().values()]) assert.equal(isAlive(pid), false)
  })
})

suite('mediaferry dev under npm', { skip: process.platform === 'win32' }, () => {
  test('stops when npm is told to, which does not tell it', async () => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { dev: `node ${CLI} dev` } }))
    const npm = spawn('npm', ['run', 'dev'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] })
    started.push(npm)
    let output = ''
    for await (const chunk of npm.stdout.iterator({ destroyOnReturn: false })) {
      output += chunk
      if (output.includes(READY)) break
    }
    const parts = children()
    assert.equal(parts.size, 3)
    npm.kill('SIGTERM')
    // The command has the other end of this pipe, which closes with it.
    npm.stdout.resume()
    await once(npm.stdout, 'close')
    for (const [name, pid] of parts) assert.equal(isAlive(pid), false, name)
  })
})

suite('mediaferry dev --supabase-cli', () => {
  /** A folder for PATH with a program `supabase` that does this. */
  function fakeCli(script: string): NodeJS.ProcessEnv {
    writeFileSync(join(folder, 'supabase'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return { PATH: `${folder}:${process.env.PATH}` }
  }
  const recording = join(import.meta.dirname, '..', 'local', 'recordings', 'supabase-status.json')

  test('works with the project that the CLI runs', async () => {
    const cli = fakeCli(
      `[ "$*" = 'status --output json' ] && echo 'Stopped services: [x]' >&2 && cat ${recording}`,
    )
    const dev = startDev(['--supabase-cli'], cli)
    await dev.says('supabase functions serve')
    const { SUPABASE_URL, SUPABASE_SECRET_KEY, WHATSAPP_GRAPH_URL, WHATSAPP_ACCESS_TOKEN } = environment()
    assert.equal(SUPABASE_URL, 'http://127.0.0.1:54321')
    assert.match(SUPABASE_SECRET_KEY ?? '', /^sb_secret_N7/)
    const probe = await fetch(`${WHATSAPP_GRAPH_URL}/v25.0/${PHONE_NUMBER_ID}?fields=id`, {
      headers: { authorization: `Bearer ${WHATSAPP_ACCESS_TOKEN}` },
    })
    assert.deepEqual(await probe.json(), { id: PHONE_NUMBER_ID })
    dev.process.kill('SIGINT')
    assert.equal((await dev.ended).code, 0)
  })

  test('says so when none runs, in the words of the CLI', async () => {
    const { code, errors } = await startDev(
      ['--supabase-cli'],
      fakeCli('echo "failed to inspect container health" >&2; exit 1'),
    ).ended
    assert.equal(code, 1)
    assert.match(
      errors,
      /^error: `supabase status` finds no running project\.\nfailed to inspect container health\n/,
    )
    assert.match(errors, /supabase start/)
    assert.equal(existsSync(join(folder, '.mediaferry', 'dev', 'processes')) && children().size > 0, false)
  })

  test('says so when there is no CLI', async () => {
    const { code, errors } = await startDev(['--supabase-cli'], { PATH: '/nowhere' }).ended
    assert.equal(code, 1)
    assert.match(errors, /^error: The supabase CLI is not installed\.\nInstall it/)
  })
})
