import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProgramResult, resultOf } from '../src/local/run-program.ts'
import { PACKAGE_ROOT } from '../src/package-root.ts'
import { faultsIn } from './package-files.ts'

/**
 * `npm run package:check`: packs, looks at what is in the package, installs it into an empty folder elsewhere (that
 * needs the registry) and uses it there as a team would, up to a daemon that is ready and a file that has arrived.
 */
const folder = mkdtempSync(join(tmpdir(), 'mediaferry-package-'))
const home = join(folder, 'home')
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

const step = (text: string) => console.log(`  ${text}`)

const { filename, size, unpackedSize, files } = pack()
assert.deepEqual(faultsIn({ size, paths: files.map(({ path }) => path) }), [])
step(`${files.length} files, ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} on the disk`)

mkdirSync(home)
writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
npm(['install', '--no-audit', '--no-fund', '--omit=dev', join(folder, filename)], home)
step(`installed: ${readdirSync(join(home, 'node_modules')).length} folders in node_modules`)

const { version }: { version: string } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'))
const CLI = join(home, 'node_modules', '.bin', 'mediaferry')
assert.equal((await run(['--version'])).output, `${version}\n`)

const first = await run(['init'])
assert.equal(first.code, 0, first.lastWords)
assert.match(first.output, /db push --remote/)
assert.equal(statSync(join(home, '.env')).mode & 0o777, 0o600)
assert.match((await run(['init'])).output, /nothing was changed/)
const unset = await run(['doctor'])
assert.equal(unset.code, 1)
assert.match(unset.output, /SUPABASE_URL is missing[\s\S]*fix: /)
const local = await run(['dev'])
assert.equal(local.code, 1)
assert.match(local.lastWords, /npm install --save-dev @supabase\/lite@/)
step('mediaferry --version, init, init again, doctor, dev: as they should')

await useWithProject()
step('mediaferry start was ready and served its dashboard, a replayed file arrived, doctor is content')

/** The installed daemon beside the clone's local project. */
async function useWithProject(): Promise<void> {
  const { startProject } = await import('../src/local/project.ts')
  const project = await startProject({ folder: join(PACKAGE_ROOT, '.mediaferry', 'package'), fresh: true })
  let daemon: ChildProcess | undefined
  try {
    const environment = {
      SUPABASE_URL: project.url,
      SUPABASE_SECRET_KEY: project.keys.secret,
      WHATSAPP_ACCESS_TOKEN: project.keys.whatsappAccessToken,
      WHATSAPP_APP_SECRET: project.keys.whatsappAppSecret,
      WHATSAPP_VERIFY_TOKEN: project.keys.whatsappVerifyToken,
      WHATSAPP_GRAPH_URL: project.whatsapp.graphUrl,
      WHATSAPP_MEDIA_HOSTS: '127.0.0.1',
      OPS_PORT: '0',
    }
    const checked = await run(['doctor'], environment)
    assert.equal(checked.code, 0, checked.output)
    daemon = start(['start'], environment)
    const ended = resultOf(daemon)
    const log = await says(daemon, '"msg":"ready"')
    const door = `http://${/"at":"([^"]+)"/.exec(log)?.[1]}`
    for (const path of ['/', '/dashboard/main.js', '/livez']) {
      assert.equal((await fetch(door + path)).status, 200, path)
    }
    const arrived = says(daemon, '"outcome":"uploaded"')
    const sent = await run(['replay', '--image', '--from', '15550001234'], environment)
    assert.equal(sent.code, 0, sent.lastWords)
    await arrived
    daemon.kill('SIGTERM')
    const { code, lastWords } = await ended
    assert.equal(code, 0, lastWords)
  } finally {
    daemon?.kill('SIGKILL')
    await project.stop()
  }
}

function pack() {
  const answer = npm(['pack', '--json', '--silent', '--pack-destination', folder], PACKAGE_ROOT)
  const [packed]: {
    filename: string
    size: number
    unpackedSize: number
    files: { path: string }[]
  }[] = JSON.parse(answer.slice(answer.indexOf('[')))
  if (packed === undefined) throw new Error('npm packed nothing')
  return packed
}

function npm(args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm ${args[0]} failed: ${stdout}${stderr}`)
  return stdout
}

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
  // Of this machine's own settings none: what is not in .env is not set.
  const { PATH, HOME } = process.env
  return spawn(CLI, args, {
    cwd: home,
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function run(
  args: readonly string[],
  environment?: Readonly<Record<string, string>>,
): Promise<ProgramResult> {
  return resultOf(start(args, environment))
}

/** Resolves with all it has written once that is in it, rejects when it ends without. */
function says(child: ChildProcess, text: string): Promise<string> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      said += chunk
      if (said.includes(text)) resolve(said)
    })
    child.once('close', () => reject(new Error(`it ended without saying ${text}: ${said}`)))
  })
}

function kilobytes(count: number): string {
  return `${Math.round(count / 1000)} KB`
}
