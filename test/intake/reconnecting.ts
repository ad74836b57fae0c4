import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Order, Sample } from './reconnecting-child.ts'

export type { Order, Sample } from './reconnecting-child.ts'

/** realtime-js leaves a timer of 10 s behind each disconnect, and with it the client. */
export const SETTLE_MS = 10_500

export interface Reconnecting {
  /** That many reconnects, and what the process holds then. */
  run(order: Order): Promise<Sample>
  stop(): Promise<void>
}

/** A link to Realtime in a process of its own. `breakConnections` ends every connection of that server once. */
export function startReconnecting(url: string, key: string, breakConnections: () => void): Reconnecting {
  const program = fileURLToPath(new URL('./reconnecting-child.ts', import.meta.url))
  const child = fork(program, [url, key], {
    // Without optimised code, of which V8 makes more for minutes: it would look like a leak of 2 KB a reconnect.
    execArgv: ['--expose-gc', '--no-opt', '--no-maglev', '--no-sparkplug'],
    env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1' },
  })
  const ended = once(child, 'exit').then(([code]) => code)
  let answer = Promise.withResolvers<Sample>()
  child.on('message', (message: 'break' | Sample) => {
    if (message === 'break') breakConnections()
    else answer.resolve(message)
  })
  return {
    run: order => {
      answer = Promise.withResolvers()
      child.send(order)
      return Promise.race([
        answer.promise,
        ended.then(code => Promise.reject(new Error(`it ended with ${code}`))),
      ])
    },
    stop: async () => {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}
