/**
 * An intake alone in a process: `child.ts URL KEY`. Prints "listening" when the server says that it listens, stops
 * when its standard input ends, prints "stopped"; and then nothing of it may keep the process from ending by itself.
 */
import { pino } from 'pino'
import { startIntake } from '../../src/intake/intake.ts'
import { createRealtimeLink, realtimeClient } from '../../src/intake/realtime.ts'

const [url = '', key = ''] = process.argv.slice(2)
let beat = 1

const intake = startIntake({
  listen: handlers =>
    createRealtimeLink(() => realtimeClient(url, key), 'worker-0123456789', {
      ...handlers,
      onEvent: event => {
        handlers.onEvent(event)
        if (event.type === 'SYSTEM_OK') console.log('listening')
      },
    }),
  beat: async () => ++beat,
  attachmentsAfter: async () => ({ cluster: 'c', horizon: '1', next: '1', anchor: null, rows: [] }),
  cursor: { load: () => null, save: () => undefined },
  onWake: () => undefined,
  onSweep: () => undefined,
  onState: () => undefined,
  onDatabaseError: () => undefined,
  log: pino({ level: 'silent' }),
  sweepIntervalMs: 30_000,
  canaryIntervalMs: 30_000,
  canaryTimeoutMs: 5000,
})

process.stdin.resume().once('end', async () => {
  await intake.stop()
  console.log('stopped')
})
