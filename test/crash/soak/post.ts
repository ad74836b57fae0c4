import type { Random } from '../../simulation/random.ts'
import { type Posted, write } from './mail.ts'
import { openRows, pause, type World } from './world.ts'

/** Rows that may wait before no more is sent. */
const BACKLOG = 60
/** Meta delivers some webhooks twice. */
const TWICE = 1 / 10

/** Sends messages in deliveries of one to six until it is told that it is enough; answers them all. */
export async function sendMail(world: World, random: Random, enough: AbortSignal): Promise<Posted[]> {
  const posted: Posted[] = []
  while (!enough.aborted) {
    if ((await openRows(world)) < BACKLOG) {
      const batch: Posted[] = []
      for (let left = random.between(1, 6); left > 0; left--) batch.push(await write(world.project, random))
      await deliver(world, batch)
      if (random.chance(TWICE)) await deliver(world, batch)
      posted.push(...batch)
      world.count.sent += batch.length
    }
    await pause(world, random.between(50, 300))
  }
  return posted
}

/** Again and again until it is taken, as Meta does for a week. */
async function deliver(world: World, batch: readonly Posted[]): Promise<void> {
  for (;;) {
    try {
      return await world.project.deliver(...batch.map(({ message }) => message))
    } catch {
      await pause(world, 200)
    }
  }
}
