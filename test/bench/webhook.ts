import { createHmac } from 'node:crypto'
import autocannon from 'autocannon'
import { composeBody } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import { databaseCalls } from './measure.ts'
import { rounded } from './statistics.ts'
import { emptyDatabase } from './work.ts'
import type { World } from './world.ts'

export interface WebhookReport {
  readonly connections: number
  /** As fast as it goes: milliseconds from the request to the acknowledgement. */
  readonly per_s: number
  readonly p50: number
  readonly p99: number
  readonly db_calls_each: number
  /** The highest rate that was tried at which every delivery was acknowledged and every message is in the table. */
  readonly lossless_per_s: number
  readonly lossless_seconds: number
}

const CONNECTIONS = 50
const APP_SECRET = 'bench-app-secret'
/** Shares of the greatest rate, tried one after the other until nothing is lost. */
const SHARES = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1]

/** Signed deliveries of one picture each, of five thousand people, under the real Deno. */
export async function measureWebhook(world: World, seconds: number): Promise<WebhookReport> {
  await emptyDatabase(world)
  const url = await world.startWebhook(APP_SECRET)
  await cannon(url, Math.min(seconds, 3))
  const [callsBefore, before] = [await databaseCalls(world), await messages(world)]
  const full = await cannon(url, seconds)
  const calls = (await databaseCalls(world)) - callsBefore
  const taken = (await messages(world)) - before
  const perS = full.acknowledged / full.seconds
  const lossless = await losslessRate(world, url, perS, seconds)
  return {
    connections: CONNECTIONS,
    per_s: rounded(perS, 1),
    p50: full.p50,
    p99: full.p99,
    db_calls_each: rounded(calls / taken, 2),
    lossless_per_s: rounded(lossless, 1),
    lossless_seconds: seconds,
  }
}

async function losslessRate(world: World, url: string, most: number, seconds: number): Promise<number> {
  for (const share of SHARES) {
    const before = await messages(world)
    const run = await cannon(url, seconds, Math.floor(most * share))
    const arrived = (await messages(world)) - before
    // Those under way at the end are taken in and not waited for, so more may be in the table than were told.
    const rate = run.acknowledged / run.seconds
    if (run.lost === 0 && arrived >= run.acknowledged && rate >= most * share * 0.95) return rate
  }
  return 0
}

async function messages(world: World): Promise<number> {
  const { rows } = await world.database.query('select count(*)::int as count from public.processed_messages')
  return Number(rows[0]?.count)
}

interface Run {
  readonly seconds: number
  readonly acknowledged: number
  /** Refused, broken off or not answered in ten seconds. */
  readonly lost: number
  readonly p50: number
  readonly p99: number
}

let serial = 0

async function cannon(url: string, duration: number, overallRate?: number): Promise<Run> {
  const result = await autocannon({
    url,
    duration,
    connections: CONNECTIONS,
    timeout: 10,
    ...(overallRate === undefined ? {} : { overallRate }),
    requests: [{ method: 'POST', setupRequest: request => ({ ...request, ...delivery() }) }],
  })
  return {
    seconds: result.duration,
    acknowledged: result['2xx'],
    lost: result.non2xx + result.errors + result.timeouts,
    p50: result.latency.p50,
    p99: result.latency.p99,
  }
}

function delivery(): { body: Buffer; headers: Record<string, string> } {
  const n = ++serial
  const body = Buffer.from(
    composeBody('106540352242922', [
      {
        from: `49151${String(n % 5000).padStart(8, '0')}`,
        id: `wamid.BENCH${String(n).padStart(12, '0')}`,
        timestamp: Math.floor(Date.now() / 1000),
        media: {
          id: `0_webhook${n}`,
          kind: 'image',
          mimeType: 'image/jpeg',
          sha256: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
        },
      },
    ]),
  )
  const signature = createHmac('sha256', APP_SECRET).update(body).digest('hex')
  return {
    body,
    headers: { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` },
  }
}
