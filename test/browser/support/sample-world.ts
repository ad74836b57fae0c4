import type { StoryEvent } from '../../../src/api-shapes.ts'
import type { OpsSources } from '../../../src/ops/ops.ts'
import { VERSION } from '../../../src/version.ts'
import { type Fixtures, failedRow, fixtureRow } from '../../support/ops-fixtures.ts'

const MINUTE = 60_000

/** A busy afternoon of an invented business, for pictures of the page. Nobody in it exists. */
export function fillSampleWorld(world: Fixtures, now = Date.now()): void {
  const iso = (minutesAgo: number): string => new Date(now - minutesAgo * MINUTE).toISOString()
  const at = (minutesAgo: number) => ({
    sent_at: iso(minutesAgo),
    created_at: iso(minutesAgo - 0.02),
    next_attempt_at: iso(minutesAgo - 0.02),
    expires_at: new Date(now - minutesAgo * MINUTE + 7 * 24 * 60 * MINUTE).toISOString(),
  })
  const waiting = {
    size_bytes: null,
    content_type: null,
    uploaded_at: null,
    object_key: null,
    sha256: null,
    verified: false,
  }
  const lead = (id: number, profile_name: string) => ({
    lead_id: id,
    lead: { phone: `1555000${1000 + id}`, profile_name },
  })

  world.counts = { PENDING: 14, UPLOADING: 6, UPLOADED: 18_342, FAILED: 23 }
  world.lanes = { busy: 5, limit: 8, claimed: 6 }
  world.machine = { waiting: 1, resolving: 1, transferring: 3, judging: 0, settling: 1 }
  world.realtime = { hearing: true, cause: null, announced: 18_371, missed: 2 }
  world.oldestDueAt = iso(0.4)
  world.rows = [
    fixtureRow(18385, {
      ...lead(41, 'Blue Door Bakery'),
      ...at(0.1),
      ...waiting,
      upload_status: 'UPLOADING',
      upload_attempts: 0,
      leased_by: 'ferry-1',
      caption: 'The new shelf, in daylight',
    }),
    fixtureRow(18384, {
      ...lead(12, 'Harbour Bicycles'),
      ...at(0.4),
      ...waiting,
      upload_status: 'PENDING',
      upload_attempts: 0,
      kind: 'video',
      caption: 'Front wheel, it wobbles',
    }),
    fixtureRow(18383, {
      ...lead(12, 'Harbour Bicycles'),
      ...at(2),
      caption: 'Front wheel, from the side',
      size_bytes: 214_000,
      uploaded_at: iso(1.97),
    }),
    fixtureRow(18382, {
      ...lead(7, 'Lantern & Lime'),
      ...at(5),
      kind: 'document',
      caption: 'Signed, thank you',
      file_name: 'Order 2204 (signed).pdf',
      content_type: 'application/pdf',
      declared_mime_type: 'application/pdf',
      size_bytes: 5_211_000,
      uploaded_at: iso(4.9),
      object_key: '7/18382-1.pdf',
    }),
    fixtureRow(18381, {
      ...lead(33, 'Paper Kite Studio'),
      ...at(8),
      kind: 'audio',
      voice: true,
      content_type: 'audio/ogg',
      size_bytes: 38_400,
      uploaded_at: iso(7.99),
      object_key: '33/18381-1.ogg',
    }),
    failedRow(18380, 'media_expired', {
      ...lead(19, 'Tin Roof Records'),
      ...at(10_090),
      error_message: 'The file was older than the seven days that Meta keeps it.',
      upload_attempts: 1,
      caption: 'Cover, second draft',
    }),
    failedRow(18379, 'integrity', {
      ...lead(7, 'Lantern & Lime'),
      ...at(44),
      error_message: '20,412 bytes arrived where 214,060 were declared.',
      caption: 'The label, close up',
    }),
    fixtureRow(18378, {
      ...lead(28, 'Northern Moss'),
      ...at(51),
      kind: 'sticker',
      animated: true,
      content_type: 'image/webp',
      size_bytes: 61_000,
      uploaded_at: iso(50.9),
      object_key: '28/18378-1.webp',
    }),
    fixtureRow(18377, {
      ...lead(33, 'Paper Kite Studio'),
      ...at(63),
      kind: 'document',
      file_name: 'Prices spring.xlsx',
      content_type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      size_bytes: 88_000,
      uploaded_at: iso(62.9),
      object_key: '33/18377-1.xlsx',
    }),
    fixtureRow(18376, {
      ...lead(41, 'Blue Door Bakery'),
      ...at(90),
      caption: 'Saturday, before we opened',
      size_bytes: 301_000,
      uploaded_at: iso(89.9),
    }),
  ]
  world.events.set(18383, carried(now - 2 * MINUTE))
  world.events.set(18379, brokenFile(now - 44 * MINUTE))
  world.failures = [
    { code: 'integrity', count: 17 },
    { code: 'media_expired', count: 4 },
    { code: 'media_unsupported', count: 2 },
  ]
}

/** The token has died: what the page then says is what this project is for. */
export function breakToken(world: Fixtures, now = Date.now()): void {
  world.circuits = [
    {
      dependency: 'whatsapp',
      state: 'open',
      outage: {
        code: 'token_rejected',
        message: 'WhatsApp does not accept the access token, or it lacks a permission.',
        since: new Date(now - 4 * MINUTE),
        probes: 6,
      },
    },
    { dependency: 'storage', state: 'closed', outage: null },
    { dependency: 'database', state: 'closed', outage: null },
  ]
  world.counts = { ...world.counts, PENDING: 61, UPLOADING: 0 }
  world.lanes = { busy: 0, limit: 8, claimed: 0 }
  world.machine = {}
}

/** An hour with a rush in it, two daemons, and a payload that nobody understood. */
export function sampleDatabase(sources: OpsSources, now = Date.now()): OpsSources {
  const { database } = sources
  return {
    ...sources,
    database: {
      ...database,
      summary: async () => {
        const summary = await database.summary()
        const [first] = summary.daemons
        if (first === undefined) return summary
        const own = { ...first, version: VERSION }
        const seen = (secondsAgo: number) => new Date(Date.now() - secondsAgo * 1000).toISOString()
        const others = [
          { ...own, worker: 'ferry-1', last_seen: seen(4) },
          { ...own, worker: 'ferry-2', last_seen: seen(17) },
          {
            ...own,
            worker: 'ferry-3',
            last_seen: seen(1_900),
            circuits: { whatsapp: 'closed', storage: 'open', database: 'closed' },
          },
        ]
        return { ...summary, due: 9, rejected: 3, expiring_24h: 0, daemons: others }
      },
      activity: async () => ({
        minutes: Array.from({ length: 60 }, (_, minute) => {
          const rush = Math.exp(-(((minute - 38) / 9) ** 2)) * 42
          const uploaded = Math.round(6 + rush + 4 * Math.sin(minute * 1.7) + 3 * Math.cos(minute * 0.6))
          return {
            at: new Date(now - (59 - minute) * MINUTE).toISOString(),
            uploaded,
            retried: minute % 7 === 3 ? 2 : 0,
            failed: minute % 19 === 11 ? 1 : 0,
            bytes: Math.round(uploaded * 310_000 * (1 + 0.4 * Math.sin(minute))),
          }
        }),
      }),
      rejected: async () => ({
        rows: [
          {
            id: 3,
            reason: 'messages[0].type is missing',
            message_id: 'wamid.SAMPLE3',
            times: 4,
            first_seen_at: new Date(now - 90 * MINUTE).toISOString(),
            last_seen_at: new Date(now - 12 * MINUTE).toISOString(),
            size_bytes: 812,
          },
          {
            id: 2,
            reason: 'the body is no JSON',
            message_id: null,
            times: 1,
            first_seen_at: new Date(now - 300 * MINUTE).toISOString(),
            last_seen_at: new Date(now - 300 * MINUTE).toISOString(),
            size_bytes: 96,
          },
        ],
        next_before: null,
      }),
    },
    daemon: { ...sources.daemon, worker: () => 'ferry-1' },
  }
}

const event = (
  id: number,
  at: number,
  name: string,
  detail: Detail = {},
  worker: string | null = 'ferry-1',
): StoryEvent => ({
  id,
  at: new Date(at).toISOString(),
  event: name,
  worker,
  detail,
})

type Detail = Record<string, unknown>

const carried = (at: number): StoryEvent[] => [
  event(1, at, 'received', { kind: 'image' }, null),
  event(2, at + 1_800, 'uploaded', {
    attempt: 1,
    max_attempts: 5,
    size_bytes: 214_000,
    verified: true,
    claim_token: 1,
  }),
]

const brokenFile = (at: number): StoryEvent[] => {
  const error_message = '20,412 bytes arrived where 214,060 were declared.'
  const tried = (id: number, minutes: number, attempt: number) =>
    event(id, at + minutes * MINUTE, 'retry', {
      attempt,
      max_attempts: 5,
      error_code: 'integrity',
      error_message,
      retry_in_ms: 5 * MINUTE,
    })
  return [
    event(11, at, 'received', { kind: 'image' }, null),
    tried(12, 0.1, 1),
    tried(13, 5.2, 2),
    event(14, at + 11 * MINUTE, 'lease_lost', { lost_leases: 1, claim_token: 3 }, 'ferry-3'),
    tried(15, 12, 3),
    tried(16, 17, 4),
    event(17, at + 23 * MINUTE, 'failed', {
      attempt: 5,
      max_attempts: 5,
      error_code: 'integrity',
      error_message,
    }),
  ]
}
