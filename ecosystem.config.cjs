/**
 * How PM2 runs the daemon: `pm2 start ecosystem.config.cjs`, from any folder. The settings come from the file
 * `.env` beside this one; a variable of the shell that calls pm2 goes before it. PM2 calls this file again at
 * `pm2 reload ecosystem.config.cjs`; a plain `pm2 reload mediaferry` keeps what it read the last time.
 */
const { existsSync, readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { join, parse } = require('node:path')
const { parseEnv } = require('node:util')

/**
 * INSTANCES, also from `.env` so that a `git pull` finds this file as it was: daemons on this machine. One is enough
 * for most; raise CONCURRENCY first. Each has a state file and a port of its own, told by its number: the first one
 * those of the settings, the second `mediaferry-state-1.sqlite` and 8788, and so on. Postgres alone coordinates
 * them.
 */
const SETTINGS = {
  INSTANCES: '1',
  STATE_FILE: 'mediaferry-state.sqlite',
  OPS_PORT: '8787',
  DRAIN_TIMEOUT: '20s',
}

/** In a clone the sources, whose types Node strips by itself; elsewhere what npm has installed. */
const SCRIPT = ['src/cli.ts', 'node_modules/mediaferry/dist/src/cli.js'].find(path =>
  existsSync(join(__dirname, path)),
)
if (SCRIPT === undefined) throw new Error('mediaferry is not installed here: npm install mediaferry')

const envFile = join(__dirname, '.env')
const given = existsSync(envFile) ? parseEnv(readFileSync(envFile, 'utf8')) : {}
const setting = name => process.env[name]?.trim() || given[name]?.trim() || SETTINGS[name]

/**
 * The Node that runs the daemon, which need not be PM2's own. `npm ci` brings one along for machines whose own
 * is older; after `npm ci --omit=dev` it is the one that runs pm2.
 */
function interpreter() {
  const brought = join(__dirname, 'node_modules', 'node', 'bin', 'node')
  if (existsSync(brought)) return brought
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 19)) return process.execPath
  throw new Error(`mediaferry needs Node 22.19 or newer, and pm2 runs under ${process.versions.node}.`)
}

/** PM2 kills what is not gone by then: the drain, 5 s at the most for settling and closing, and some to spare. */
function killTimeout() {
  const drain = createRequire(join(__dirname, SCRIPT))('ms')(setting('DRAIN_TIMEOUT'))
  if (drain === undefined) throw new Error('DRAIN_TIMEOUT is not a duration; write it like 30s or 5m.')
  return drain + 10_000
}

function instances() {
  const count = Number(setting('INSTANCES'))
  if (Number.isInteger(count) && count >= 1 && count <= 100) return count
  throw new Error('INSTANCES is how many daemons run on this machine, a whole number from 1 to 100.')
}

function ownSettings(number) {
  if (number === 0) return {}
  const { dir, name, ext } = parse(setting('STATE_FILE'))
  const port = Number(setting('OPS_PORT'))
  return {
    STATE_FILE: join(dir, `${name}-${number}${ext}`),
    // 0 stands for any free port.
    OPS_PORT: String(port === 0 ? 0 : port + number),
  }
}

/** Compiled code, kept where only this user writes: the second start takes half of the first one's CPU time. */
const COMPILE_CACHE = { NODE_COMPILE_CACHE: join(__dirname, 'node_modules', '.cache', 'mediaferry') }

const app = number => ({
  name: number === 0 ? 'mediaferry' : `mediaferry-${number}`,
  cwd: __dirname,
  // Not `npm start`: signals and the ready message must reach the daemon.
  script: SCRIPT,
  args: 'start',
  interpreter: interpreter(),
  // At 2 MB a file of 200 KB took 1.15 ms of CPU in place of 0.85 at 16 MB, and at Node's own 32 no less. The collector
  // is exposed for what large files leave behind (src/transfer/scavenge.ts).
  node_args: '--max-semi-space-size=16 --expose-gc',
  // Cluster mode is for sharing a listening port. A reload here is a stop and then a start.
  exec_mode: 'fork',
  instances: 1,
  // The shell's variables by name: once an app has any of its own, PM2 7.0 reloads it with the shell's of its start.
  env: { ...process.env, ...COMPILE_CACHE, ...ownSettings(number) },
  // The daemon says when it works, after about a second. While the database is down it waits for it, and PM2
  // goes on after listen_timeout: it counts as started, and is not killed.
  wait_ready: true,
  listen_timeout: 15_000,
  kill_timeout: killTimeout(),
  // Windows has no signals to catch.
  shutdown_with_message: process.platform === 'win32',
  // 100 ms, 150 ms, 225 ms … 15 s between restarts, from the beginning again after 30 s of life. PM2 gives up after
  // sixteen deaths within a second of life each in the first 16 s, and these delays leave time for eleven.
  exp_backoff_restart_delay: 100,
  // Four times what ten minutes of pictures, videos and documents take (263 MB): only a leak comes so far.
  // PM2 looks every 30 s, and what is above is drained and started anew: nothing lost, no attempt counted.
  max_memory_restart: '1G',
  // JSON lines that carry their own time, in ~/.pm2/logs/mediaferry-out.log. What Node itself has to say of a
  // crash is in mediaferry-error.log. PM2 lets both grow: `pm2 install pm2-logrotate`, or the system's logrotate
  // with copytruncate.
  merge_logs: true,
})

module.exports = { apps: Array.from({ length: instances() }, (_, number) => app(number)) }
