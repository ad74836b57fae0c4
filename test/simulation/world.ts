import { createItem, type Item } from './items.ts'
import { createJudge, type Judge } from './judge.ts'
import { createModelDatabase, type ModelDatabase, ModelError } from './model/database.ts'
import type { SimulatedProcess } from './process.ts'
import { createRandom, type Random } from './random.ts'
import { createRealtime, type Realtime } from './realtime.ts'
import type { StoredBytes } from './storage.ts'
import { startTime, type Time } from './time.ts'
import { createTrace, type Trace } from './trace.ts'
import { createWeather, type Weather } from './weather.ts'
import { PHONE } from './whatsapp.ts'

/** Everything outside the daemons, and the clock. */
export interface World {
  readonly seed: number
  readonly random: Random
  readonly time: Time
  readonly trace: Trace
  readonly weather: Weather
  readonly database: ModelDatabase
  readonly objects: Map<string, StoredBytes>
  readonly items: Map<string, Item>
  readonly realtime: Realtime
  readonly judge: Judge
  readonly leaseMs: number
  /** The media host's `/` answers 5xx even while it works, so that nobody can tell when it does not. */
  readonly muteMediaHost: boolean
  /** Harmless rows that were FAILED for what is not true of them, so that each is told once. */
  readonly failedInnocents: Set<number>
  /** A number that nobody else has. */
  number(): number
  /** Now and then, and never once the faults are over. */
  hiccup(): boolean
  itemOf(attachment: number): Item | undefined
  /** Somebody sends a file: Meta calls the webhook until it is taken in. */
  send(poison: boolean): void
  /** Meta delivers something once more. */
  redeliver(): void

  // What the daemons' keeper knows.
  workerOf(process: SimulatedProcess): string
  /** What an earlier life of that worker has stored and not settled. */
  inheritedBy(worker: string): ReadonlySet<string> | undefined
  isStopping(process: SimulatedProcess): boolean
  thawedAt(process: SimulatedProcess): number
  kill(process: SimulatedProcess, why: string): void
  mayKill(process: SimulatedProcess, why: string): void
  calm: boolean
}

export interface WorldOptions {
  readonly seed: number
  readonly counts: Map<string, number>
  readonly show?: (line: string) => void
}

/** What only a keeper of daemons can answer is left to it: `keep` fills it in. */
export type Keeping = Pick<World, 'workerOf' | 'inheritedBy' | 'isStopping' | 'thawedAt' | 'kill' | 'mayKill'>

export function createWorld({ seed, counts, show }: WorldOptions, keep: (world: World) => Keeping): World {
  const random = createRandom(seed)
  // What the daemons draw for their jitter does not shift what the world draws.
  const time = startTime(createRandom(seed ^ 0x5eed).next)
  const trace = createTrace(time.now, counts, show)
  const hiccups = random.pick([0, 0.003, 0.02])
  const skewMs = random.pick([
    0,
    0,
    random.between(-300_000, 300_000),
    random.between(-86_400_000, 86_400_000),
  ])
  const items = new Map<string, Item>()
  const byAttachment = new Map<number, Item>()
  let last = 0
  let sent = 0

  const base = {
    seed,
    random,
    time,
    trace,
    weather: createWeather(random, time, hiccups, trace.count),
    database: createModelDatabase({ now: () => time.now() + skewMs }),
    objects: new Map<string, StoredBytes>(),
    items,
    leaseMs: 15_000,
    muteMediaHost: createRandom(seed ^ 0x10c4).chance(0.1),
    failedInnocents: new Set<number>(),
    calm: false,
    number: () => ++last,
    itemOf: (attachment: number) => byAttachment.get(attachment),
  }

  function deliver(wanted: readonly Item[]): void {
    const messages = wanted.map(messageOf)
    // Some writers take their time, and hold the horizon back for everybody.
    const transaction = base.database.begin()
    try {
      transaction.call('ingest_whatsapp_messages', { messages, rejected: [] })
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      transaction.rollback()
      time.after(random.between(1000, 5000), () => deliver(wanted))
      return
    }
    const openFor = random.chance(0.1) && !world.calm ? random.between(500, 20_000) : 0
    if (openFor > 0) trace.count('long write transaction')
    time.after(openFor, () => {
      transaction.commit()
      for (const row of base.database.rows()) {
        const item = items.get(row.whatsapp_media_id ?? '')
        if (item === undefined || item.attachment !== null) continue
        item.attachment = row.id
        byAttachment.set(row.id, item)
        trace.tell(
          `received ${item.mediaId} (${item.fault} ${item.faults}, hash by ${item.hashedBy}, ${item.bytes.length} bytes) as ${row.id}`,
        )
      }
    })
  }

  const world: World = {
    ...base,
    get realtime(): Realtime {
      return realtime
    },
    get judge(): Judge {
      return judge
    },
    hiccup: () => !world.calm && random.chance(hiccups),
    send: poison => {
      const album = Array.from({ length: random.chance(0.2) ? random.between(2, 5) : 1 }, (_, place) =>
        createItem(++sent, time.now(), random, poison && place === 0),
      )
      for (const item of album) items.set(item.mediaId, item)
      deliver(album)
    },
    redeliver: () => {
      const all = [...items.values()]
      const again = all[random.between(0, all.length - 1)]
      if (again === undefined) return
      trace.count('webhook redelivered')
      deliver([again])
    },
    ...PENDING,
  }
  const judge = createJudge(world)
  const realtime = createRealtime(world)
  base.database.onInsert(row => realtime.inserted(row.id))
  base.database.onCanary((row, type) => {
    if (type === 'UPDATE') realtime.beat(row.worker, row.beat)
  })
  return Object.assign(world, keep(world))
}

const notYet = (): never => {
  throw new Error('nobody keeps daemons yet')
}
const PENDING: Keeping = {
  workerOf: notYet,
  inheritedBy: notYet,
  isStopping: notYet,
  thawedAt: notYet,
  kill: notYet,
  mayKill: notYet,
}

const messageOf = (item: Item) => ({
  message_id: item.messageId,
  phone_number_id: PHONE,
  sent_at: new Date(item.sentAt).toISOString(),
  max_attempts: 4,
  contact: { user_id: null, phone: '15550001234', profile_name: null },
  media: {
    whatsapp_media_id: item.mediaId,
    kind: 'document',
    caption: null,
    file_name: null,
    voice: null,
    animated: null,
    declared_mime_type: item.mimeType,
    declared_sha256: item.hashedBy === 'webhook' ? item.sha256 : null,
    error_code: null,
    error_message: null,
  },
  raw_base64: null,
})
