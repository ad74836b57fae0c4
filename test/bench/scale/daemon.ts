import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../../src/local/ports.ts'
import { daemonSettings } from '../work.ts'
import type { Program, World } from '../world.ts'

/** A daemon process, and what it says of itself at `/metrics`. */
export interface ScaleDaemon {
  readonly program: Program
  /** One sample by name and labels as they are written, 0 when there is none. */
  metrics(): Promise<(sample: string) => number>
}

/** As PM2 starts it. Resolves when it works. */
export async function startDaemon(
  world: World,
  concurrency: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<ScaleDaemon> {
  const port = await freePort()
  const program = world.startDaemon({
    ...daemonSettings(world, concurrency),
    OPS_PORT: String(port),
    ...settings,
  })
  await program.says('ready')
  return {
    program,
    metrics: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
      const samples = new Map(
        (await answer.text()).split('\n').flatMap(line => {
          const at = line.lastIndexOf(' ')
          return line.startsWith('#') || at < 0
            ? []
            : [[line.slice(0, at), Number(line.slice(at + 1))] as const]
        }),
      )
      return sample => samples.get(sample) ?? 0
    },
  }
}

const POLL_MS = 200

/** Resolves when Realtime is proven to be heard. */
export async function untilHearing(daemon: ScaleDaemon): Promise<void> {
  while ((await daemon.metrics())('mediaferry_realtime_hearing') !== 1) await delay(POLL_MS)
}
