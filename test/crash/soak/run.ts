import { createRandom } from '../../simulation/random.ts'
import { type DaemonProcess, daemonHome } from '../daemon-process.ts'
import { type Facts, judge } from './check.ts'
import { liveAndDie } from './lives.ts'
import { livesOf } from './plan.ts'
import { sendMail } from './post.ts'
import { type Count, endPauses, openRows, pause, type World } from './world.ts'

export interface SoakOptions extends Pick<World, 'project' | 'breakDatabase'> {
  /** SIGKILLs in all, shared by two daemons. */
  readonly kills: number
  readonly seed: number
  /** Given up: everything started is ended, and `soak` rejects. */
  readonly signal?: AbortSignal
  /** Every quarter of a second. */
  readonly onProgress?: (count: Readonly<Count>) => void
}

export interface SoakReport extends Readonly<Count>, Facts {
  readonly seed: number
  readonly seconds: number
  /** Nothing may stand here. */
  readonly violations: readonly string[]
}

/** With nobody killed any more, five attempts of a file and a few sweeps take some 15 s. */
const SETTLED_WITHIN_MS = 60_000

/**
 * Two real daemons under steady mail, killed at random instants, sometimes frozen, sometimes without a database;
 * in the end every row and object is looked at. The same seed gives the same files and the same lives, and not the
 * same interleaving of them.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { project, kills, seed, breakDatabase } = options
  const from = performance.now()
  const giveUp = new AbortController()
  const signal = AbortSignal.any([giveUp.signal, ...(options.signal === undefined ? [] : [options.signal])])
  const count: Count = { kills: 0, freezes: 0, outages: 0, sent: 0 }
  const world: World = { project, signal, breakDatabase, count, violations: [] }
  const homes = [daemonHome(project), daemonHome(project)]
  const enough = new AbortController()
  const telling = setInterval(() => options.onProgress?.(count), 250)
  try {
    const mail = sendMail(world, createRandom(seed), enough.signal)
    mail.catch(error => giveUp.abort(error))
    const daemons = await Promise.all(
      homes.map((home, at) => {
        const share = Math.floor((kills + at) / homes.length)
        return liveAndDie(world, home, livesOf(seed + 1 + at, share))
      }),
    )
    enough.abort()
    const posted = await mail
    await untilSettled(world)
    await Promise.all(daemons.map(daemon => stop(world, daemon)))
    const { facts, violations } = await judge(project, posted)
    const seconds = Math.round((performance.now() - from) / 100) / 10
    return { seed, ...count, ...facts, seconds, violations: [...world.violations, ...violations] }
  } finally {
    clearInterval(telling)
    giveUp.abort()
    await Promise.all(homes.map(home => home.stop()))
    await project.control('DELETE', 'faults')
  }
}

async function untilSettled(world: World): Promise<void> {
  const until = performance.now() + SETTLED_WITHIN_MS
  for (let open = await openRows(world); open > 0; open = await openRows(world)) {
    if (performance.now() > until) {
      world.violations.push(`${open} rows are not settled ${SETTLED_WITHIN_MS / 1000} s after the last kill`)
      return
    }
    await endPauses(world)
    await pause(world, 100)
  }
}

async function stop(world: World, daemon: DaemonProcess): Promise<void> {
  daemon.send('SIGTERM')
  const { code, lastWords } = await daemon.ended
  if (code !== 0) world.violations.push(`a daemon that was told to stop ended with ${code}: ${lastWords}`)
}
