import { once } from 'node:events'
import type { DaemonHome, DaemonProcess } from '../daemon-process.ts'
import { LEASE_MS, type Life } from './plan.ts'
import { ask, pause, type World } from './world.ts'

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
    await pause(world, life.beforeMs)
    if (life.frozenMs > 0) {
      await untilNobodyIsNearlyLost(world)
      daemon.send('SIGSTOP')
      world.count.freezes++
      await pause(world, life.frozenMs)
      daemon.send('SIGCONT')
      await pause(world, life.afterMs)
    }
    const outage = life.outage ? breakDatabase(world) : undefined
    await untilNobodyIsNearlyLost(world)
    killed = true
    await daemon.kill()
    world.count.kills++
    await outage
  }
  const last = home.launch(SETTINGS)
  await Promise.race([last.until(({ msg }) => msg === 'ready'), givenUp(world)])
  return last
}

/** A daemon that has no database waits for one, and would wait for ever. */
async function givenUp({ signal }: World): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason
}

async function breakDatabase(world: World): Promise<void> {
  world.count.outages++
  await world.breakDatabase()
}

/**
 * The fifth lost lease fails a row: that is meant for a file that kills its daemon, and here we are the killer. From
 * the third on, since another daemon may take a row over between the look and the kill.
 */
async function untilNobodyIsNearlyLost(world: World): Promise<void> {
  const nearly = `select from public.attachments where lost_leases >= 3 and upload_status in ('PENDING', 'UPLOADING')`
  for (let looks = 0; (await ask(world, nearly)).rowCount !== 0; looks++) {
    if (looks === 0) world.count.spared++
    await pause(world, 50)
  }
}
