import { parentPort } from 'node:worker_threads'
import { simulate } from './simulate.ts'

/** The other end of `apart.ts`. */
parentPort?.on('message', async (seed: number) => {
  const counts = new Map<string, number>()
  parentPort?.postMessage({ ...(await simulate(seed, { counts })), counts })
})
