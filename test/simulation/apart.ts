import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Simulated } from './simulate.ts'

export interface CountedSimulated extends Simulated {
  /** How often each fault and each outcome occurred. */
  readonly counts: ReadonlyMap<string, number>
}

export interface Simulator {
  /** One at a time. */
  simulate(seed: number): Promise<CountedSimulated>
  stop(): Promise<void>
}

/**
 * Simulates in a thread of its own. node:test follows every promise of a test's thread with async hooks, and a
 * simulation is promises and little else: 206 seeds took 42 s of CPU there and take 20 s here.
 */
export function startSimulator(): Simulator {
  const thread = new Worker(new URL('./thread.ts', import.meta.url))
  return {
    simulate: async seed => {
      const answered = once(thread, 'message')
      thread.postMessage(seed)
      const [simulated] = await answered
      return simulated
    },
    stop: async () => {
      await thread.terminate()
    },
  }
}
