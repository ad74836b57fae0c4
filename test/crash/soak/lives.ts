import { once } from 'node:events'
import type { DaemonHome, DaemonProcess } from '../daemon-process.ts'
import { LEASE_MS, type Life } from './plan.ts'
import { pause, type World } from './world.ts'

const SETTINGS = { LEASE: `${LEASE_MS}ms`, RETRY_DELAY: '1s', SWEEP_INTERVAL: '1s' }

/** Lives all these lives, one after another with one state file, and answers the daemon that nobody kills. */
export async function liveAndDie(
  world: World,
  home: DaemonHome,
  lives: readonly Life[],
): Promise<DaemonProcess> {
  for (const life of lives) {
    const daemon = home.launch(SETTINGS)
    let killed = false
    void daemon.ended.then(({ code, signal, lastWords }) => {
      if (!killed && !world.signal.aborted)
        world.violations.push(`a daemon ended by itself (${signal ?? code}): ${lastWords}`)
    })
    if (!life.early) await readiness(world, daemon)
    await pause(world, life.beforeMs)
    if (life.frozenMs > 0) {
      daemon.send('SIGSTOP')
      world.count.freezes++
      await pause(world, life.frozenMs)
      daemon.send('SIGCONT')
      await pause(world, life.afterMs)
    }
    const outage = life.outage ? breakDatabase(world) : undefined
    killed = true
    await daemon.kill()
    world.count.kills++
    await outage
  }
  const last = home.launch(SETTINGS)
  await readiness(world, last)
  return last
}

const readiness = (world: World, daemon: DaemonProcess): Promise<void> =>
  Promise.race([daemon.until(({ msg }) => msg === 'ready'), givenUp(world)])

/** A daemon that has no database waits for one, and would wait for ever. */
async function givenUp({ signal }: World): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason
}

async function breakDatabase(world: World): Promise<void> {
  world.count.outages++
  await world.breakDatabase()
}
