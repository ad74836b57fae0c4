import { after } from 'node:test'
import pg from 'pg'
import { z } from 'zod'
import type { MediaKind } from '../../src/attachment.ts'
import { PHONE_NUMBER_ID } from '../../src/local/whatsapp/index.ts'
import { sendWebhook } from '../../src/local/whatsapp/send.ts'
import {
  newMessageId,
  type OutgoingMedia,
  type OutgoingMessage,
} from '../../supabase/functions/whatsapp-webhook/compose.ts'

/**
 * One of the local projects that `npm test` runs (PostgreSQL, Data API, Storage, Realtime, the function under
 * Deno, the WhatsApp simulator), for this test file alone until it ends: its tables are empty, its simulator
 * has no faults. There are as many projects as files run at once.
 */
export interface TestProject {
  readonly url: string
  readonly webhookUrl: string
  readonly secretKey: string
  readonly accessToken: string
  readonly appSecret: string
  readonly verifyToken: string
  readonly graphUrl: string
  /** The simulator's control door, also when Graph refuses connections. */
  readonly controlUrl: string
  readonly database: pg.Pool
  /**
   * Leaves a file with WhatsApp (the small sample of that kind, or what `media` tells the control door) and
   * answers the message that names it.
   */
  message(kind: MediaKind, options?: MessageOptions): Promise<OutgoingMessage>
  /** Delivers messages in one signed POST; fails the test when the answer is not 200. */
  deliver(...messages: readonly OutgoingMessage[]): Promise<void>
  /** Asks the simulator's control door. */
  control(method: string, path: string, body?: unknown): Promise<unknown>
}

export interface MessageOptions {
  /** Body of `POST /_simulator/media`: `{sample}`, `{file, mimeType}` or `{seed, size, mimeType}`. */
  readonly media?: Readonly<Record<string, unknown>>
  readonly from?: string
  readonly fields?: Partial<OutgoingMedia>
}

const keptMedia = z.object({ id: z.string(), mimeType: z.string(), sha256: z.string() })

const projectsSchema = z.array(
  z.object({
    url: z.string(),
    webhookUrl: z.string(),
    databaseUrl: z.string(),
    secretKey: z.string(),
    accessToken: z.string(),
    appSecret: z.string(),
    verifyToken: z.string(),
    graphUrl: z.string(),
    controlUrl: z.string(),
  }),
)

export type Coordinates = z.output<typeof projectsSchema>[number]

/** Takes a project for the calling test file; call it at the top level, before the tests. */
export async function takeProject(): Promise<TestProject> {
  const { MEDIAFERRY_TEST_PROJECTS: listed, MEDIAFERRY_TEST_DATABASE: adminUrl } = process.env
  if (listed === undefined || adminUrl === undefined) {
    throw new Error('This test needs a local project: run it with `npm test -- FILE`.')
  }
  const projects = projectsSchema.parse(JSON.parse(listed))
  const lock = new pg.Client({ connectionString: adminUrl })
  await lock.connect()
  const coordinates = await firstFree(lock, projects)
  const database = new pg.Pool({ connectionString: coordinates.databaseUrl, max: 4 })
  const project = testProject(coordinates, database)
  await reset(project)
  after(async () => {
    await database.end()
    // The advisory lock goes with its session.
    await lock.end()
  })
  return project
}

/** The projects are tried one after another; when all are taken the file waits for the last. */
async function firstFree(lock: pg.Client, projects: readonly Coordinates[]): Promise<Coordinates> {
  for (const [index, project] of projects.entries()) {
    const { rows } = await lock.query('select pg_try_advisory_lock($1) as taken', [index])
    if (rows[0]?.taken === true) return project
  }
  const last = projects.at(-1)
  if (last === undefined) throw new Error('There is no local project.')
  await lock.query('select pg_advisory_lock($1)', [projects.length - 1])
  return last
}

/** What tests do with a project, for whoever runs one of its own. */
export function testProject(coordinates: Coordinates, database: pg.Pool): TestProject {
  const control = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${coordinates.controlUrl}/_simulator/${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`The simulator answered ${response.status} to ${path}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  return {
    ...coordinates,
    database,
    control,
    message: async (kind, { media = { sample: kind }, from = '15550001234', fields = {} } = {}) => {
      const kept = keptMedia.parse(await control('POST', 'media', media))
      const sha256 = Buffer.from(kept.sha256, 'hex').toString('base64')
      const timestamp = Math.floor(Date.now() / 1000)
      return {
        id: newMessageId(),
        from,
        timestamp,
        media: { kind, id: kept.id, mimeType: kept.mimeType, sha256, ...fields },
      }
    },
    deliver: async (...messages) => {
      const { webhookUrl, appSecret } = coordinates
      const answer = await sendWebhook({
        url: webhookUrl,
        appSecret,
        phoneNumberId: PHONE_NUMBER_ID,
        messages,
      })
      if (answer.status !== 200) throw new Error(`The webhook answered ${answer.status}: ${answer.text}`)
    },
  }
}

async function reset(project: TestProject): Promise<void> {
  await project.database.query(
    `truncate public.attachments, public.leads, public.processed_messages, public.rejected_payloads,
       public.system_events, public.realtime_canary cascade`,
  )
  await project.database.query(`select public.set_pipeline_paused(false, 'test', null)`)
  await project.control('DELETE', 'faults')
}
