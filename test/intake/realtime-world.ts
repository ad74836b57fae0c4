import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import type { Cursor } from '../../src/attachment.ts'
import type { Clock } from '../../src/intake/clock.ts'
import type { Page } from '../../src/intake/cursor.ts'
import { type IntakeState, startIntake } from '../../src/intake/intake.ts'
import { createRealtimeLink, realtimeClient } from '../../src/intake/realtime.ts'
import { startRealtime } from '../../src/local/realtime/server.ts'
import { listenRealtime } from '../local/realtime/on-a-port.ts'
import { freshDatabase } from '../support/database.ts'

export const KEYS = { publishable: 'sb_publishable_test', secret: 'sb_secret_test' }
const WORKER = 'worker-0123456789'
/** The intake's clock runs that much faster, so that its five seconds are a fifth of one; the servers' does not. */
const SPEED = 25
export const PATIENCE_MS = 20_000

const fastClock: Clock = {
  now: () => performance.now() * SPEED,
  setTimeout: (work, ms) => setTimeout(work, ms / SPEED),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
}

/** The real realtime-js, the real SQL functions, the local Realtime server, and an intake between them. */
export async function world(
  t: TestContext,
  options: { key?: string; systemMs?: number; listen?: boolean } = {},
) {
  const ends: (() => Promise<void>)[] = []
  t.after(async () => {
    for (const end of ends.reverse()) await end()
  })
  const database = await freshDatabase({ after: end => ends.push(end) })
  const server = await startRealtime({
    databaseUrl: database.url,
    keys: KEYS,
    log: pino({ level: 'silent' }),
    delays: { systemMs: options.systemMs ?? 0 },
  })
  ends.push(() => server.stop())
  const listener = await listenRealtime(server)
  ends.push(() => listener.close())

  const state = {
    sweeps: 0,
    clients: 0,
    hearing: false,
    cause: null as IntakeState['cause'],
    stories: [] as string[],
  }
  let news = Promise.withResolvers<void>()
  const tell = () => {
    news.resolve()
    news = Promise.withResolvers()
  }
  let saved: Cursor | null = null
  const intake = startIntake({
    listen: handlers =>
      createRealtimeLink(
        () => {
          state.clients++
          return realtimeClient(listener.url, options.key ?? KEYS.secret)
        },
        WORKER,
        handlers,
      ),
    beat: async () =>
      (
        await database.call<{ beat: number }>('beat_canary', {
          worker: WORKER,
          state: 'running',
          circuits: {},
          version: '0',
        })
      ).beat,
    attachmentsAfter: (xid, id, max) => database.call<Page>('attachments_after', { xid, id, max }),
    cursor: {
      load: () => saved,
      save: cursor => {
        saved = cursor
      },
    },
    onWake: tell,
    onSweep: () => {
      state.sweeps++
      tell()
    },
    onState: ({ hearing, cause }) => {
      state.hearing = hearing
      state.cause = cause
      state.stories.push(cause?.code ?? 'hearing')
      tell()
    },
    onDatabaseError: error => assert.fail(String(error)),
    log: pino({ level: 'silent' }),
    sweepIntervalMs: 30_000,
    canaryIntervalMs: 30_000,
    canaryTimeoutMs: 10_000,
    clock: fastClock,
  })
  ends.push(() => intake.stop())

  /** Waits until something that must come true does. */
  async function until(what: string, holds: () => boolean): Promise<void> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => late.reject(new Error(`not in time: ${what}; ${JSON.stringify(state)}`)),
      PATIENCE_MS,
    )
    try {
      while (!holds()) await Promise.race([news.promise, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async function insert(): Promise<number> {
    const [row] = await database.rows<{ id: string }>(
      `insert into public.attachments
         (message_id, whatsapp_media_id, phone_number_id, kind, sent_at, expires_at, bucket, object_prefix, max_attempts)
       values ('wamid.' || gen_random_uuid(), '1', '2', 'image', now(), now() + interval '7 days', 'attachments', 'unassigned', 5)
       returning id`,
    )
    return Number(row?.id)
  }

  const taken: number[] = []
  return {
    database,
    url: listener.url,
    server,
    intake,
    state,
    until,
    insert,
    hearing: () => until('hearing', () => state.hearing),
    async woken(id: number) {
      await until(`row ${id} wakes`, () => {
        taken.push(...intake.takeWoken(1000))
        return taken.includes(id)
      })
    },
  }
}
