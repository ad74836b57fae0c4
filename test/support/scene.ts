import assert from 'node:assert/strict'
import { createCipheriv, createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { MediaKind } from '../../src/attachment.ts'
import type { OutgoingMedia, OutgoingMessage } from '../../supabase/functions/whatsapp-webhook/compose.ts'
import { type Overrides, startTestDaemon, type TestDaemon } from './daemon.ts'
import type { TestProject } from './project.ts'
import type { AttachmentRow } from './rows.ts'
import { type StorageProxy, startStorageProxy } from './storage-proxy.ts'

/** A row of `attachments`, as pg reads it. */
export type Row = AttachmentRow & { readonly bucket: string; readonly expires_at: Date }

export type UploadedRow = Row & { readonly object_key: string }

/** A message and the very bytes of the file that it names. */
export interface Sent {
  readonly message: OutgoingMessage
  readonly bytes: Buffer
}

export interface FileOptions {
  readonly kind?: MediaKind
  /** A JPEG of 20,000 bytes that no other file has, when left out. */
  readonly bytes?: Buffer
  readonly mimeType?: string
  readonly from?: string
  readonly fields?: Partial<OutgoingMedia>
}

/**
 * What the edge cases do with a project: files of known bytes, daemons that look every second, and the rows and
 * objects that come of it. After each test every daemon and proxy is stopped and every fault lifted.
 */
export interface Scene {
  readonly project: TestProject
  /** Leaves a file with WhatsApp; the message that names it is not delivered yet. */
  file(options?: FileOptions): Promise<Sent>
  files(count: number, options?: FileOptions): Promise<Sent[]>
  deliver(...sent: readonly Sent[]): Promise<void>
  daemon(overrides?: Overrides): Promise<TestDaemon>
  storageProxy(): Promise<StorageProxy>
  /** Spoils WhatsApp's answers; see src/local/whatsapp/faults.ts. */
  fault(rule: Readonly<Record<string, unknown>>): Promise<void>
  row(sent: Sent): Promise<Row>
  /** The attachment's story. */
  events(sent: Sent): Promise<string[]>
  /** What was told of circuits, oldest first. */
  circuitEvents(): Promise<string[]>
  /** A PENDING row comes due now. */
  makeDue(...sent: readonly Sent[]): Promise<void>
  /** The row is UPLOADED after so many attempts, and its object is byte for byte what was sent. Answers the row. */
  uploaded(sent: Sent, attempts?: number): Promise<UploadedRow>
  /** The row is in that state, names no object, and Storage holds none of it. Answers the row. */
  notUploaded(
    sent: Sent,
    expected: { status: 'PENDING' | 'FAILED'; code: string | null; attempts: number },
  ): Promise<Row>
  /** The keys in Storage that belong to that row. */
  objectsOf(sent: Sent): Promise<string[]>
  /** What WhatsApp was asked for that file. */
  asked(sent: Sent): Promise<{ resolved: number; downloaded: number }>
}

export function openScene(project: TestProject): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-files-'))
  const daemons: TestDaemon[] = []
  const proxies: StorageProxy[] = []
  const { database } = project
  const headers = { apikey: project.secretKey }
  const storage = `${project.url}/storage/v1/object`

  afterEach(async () => {
    // Nothing that still waits for WhatsApp shall hold up the drain.
    await project.control('POST', 'hosts', { graph: 'accept', media: 'accept' })
    await project.control('POST', 'token', { value: project.accessToken, expiresAt: 0 })
    await project.control('DELETE', 'faults')
    await Promise.all(daemons.splice(0).map(each => each.stop()))
    await Promise.all(proxies.splice(0).map(each => each.stop()))
    // What a failed test has left behind must not keep the next one's daemon busy, nor from working.
    await database.query(`select public.set_pipeline_paused(false, 'test', null)`)
    await database.query(
      'truncate public.attachments, public.processed_messages, public.system_events cascade',
    )
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  async function file(options: FileOptions = {}): Promise<Sent> {
    const { kind = 'image', bytes = jpeg(randomUUID()), mimeType = 'image/jpeg', ...rest } = options
    const path = join(folder, randomUUID())
    writeFileSync(path, bytes)
    return { bytes, message: await project.message(kind, { media: { file: path, mimeType }, ...rest }) }
  }

  async function row(sent: Sent): Promise<Row> {
    const { rows } = await database.query<Row>('select * from public.attachments where message_id = $1', [
      sent.message.id,
    ])
    const [found] = rows
    assert.ok(found !== undefined && rows.length === 1, `${rows.length} rows of that message`)
    return found
  }

  async function objectsOf(sent: Sent): Promise<string[]> {
    const { id, object_prefix: prefix } = await row(sent)
    const answer = await fetch(`${storage}/list/attachments`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ prefix, search: `${id}-`, limit: 1000, offset: 0 }),
    })
    const found: unknown = await answer.json()
    assert.ok(Array.isArray(found), 'Storage lists its objects')
    return found.map(each => `${prefix}/${each.name}`).filter(key => key.startsWith(`${prefix}/${id}-`))
  }

  return {
    project,
    file,
    files: (count, options) => Promise.all(Array.from({ length: count }, () => file(options))),
    deliver: (...sent) => project.deliver(...sent.map(each => each.message)),
    daemon: async overrides => {
      const started = await startTestDaemon(project, { SWEEP_INTERVAL: '1s', ...overrides })
      daemons.push(started)
      return started
    },
    storageProxy: async () => {
      const started = await startStorageProxy(project.url)
      proxies.push(started)
      return started
    },
    fault: async rule => {
      await project.control('POST', 'faults', rule)
    },
    row,
    events: async sent => {
      const { id } = await row(sent)
      const { rows } = await database.query(
        'select event from public.system_events where attachment_id = $1 order by id',
        [id],
      )
      return rows.map(each => each.event)
    },
    circuitEvents: async () => {
      const { rows } = await database.query(
        "select event from public.system_events where event like 'circuit_%' order by id",
      )
      return rows.map(each => each.event)
    },
    makeDue: async (...sent) => {
      await database.query(
        `update public.attachments set next_attempt_at = now()
         where message_id = any ($1) and upload_status = 'PENDING'`,
        [sent.map(each => each.message.id)],
      )
    },
    uploaded: async (sent, attempts = 1) => {
      const settled = await row(sent)
      assert.equal(settled.upload_status, 'UPLOADED', `${settled.error_code}: ${settled.error_message}`)
      assert.equal(settled.upload_attempts, attempts)
      const { object_key: key } = settled
      assert.ok(key !== null)
      assert.equal(settled.leased_by, null)
      assert.equal(settled.leased_until, null)
      assert.equal(settled.error_code, null)
      assert.equal(Number(settled.size_bytes), sent.bytes.length)
      assert.equal(settled.sha256, sha256(sent.bytes))
      const answer = await fetch(`${storage}/${settled.bucket}/${key}`, { headers })
      assert.equal(answer.status, 200)
      const object = Buffer.from(await answer.arrayBuffer())
      assert.ok(object.equals(sent.bytes), `the object is not what was sent: ${object.length} bytes`)
      return { ...settled, object_key: key }
    },
    notUploaded: async (sent, { status, code, attempts }) => {
      const found = await row(sent)
      assert.equal(found.upload_status, status, `${found.error_code}: ${found.error_message}`)
      assert.equal(found.error_code, code)
      assert.equal(found.upload_attempts, attempts)
      assert.equal(found.object_key, null)
      assert.equal(found.leased_by, null)
      assert.deepEqual(await objectsOf(sent), [])
      return found
    },
    objectsOf,
    asked: async sent => {
      const state: unknown = await project.control('GET', 'state')
      assert.ok(typeof state === 'object' && state !== null && 'media' in state && Array.isArray(state.media))
      const found = state.media.find(each => each.id === sent.message.media.id)
      return { resolved: found.resolved, downloaded: found.downloaded }
    },
  }
}

/** Begins as a JPEG does; what follows is the same for the same seed and looks random. */
export function jpeg(seed: string, size = 20_000): Buffer {
  const secret = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-128-ctr', secret.subarray(0, 16), secret.subarray(16))
  const bytes = cipher.update(Buffer.alloc(size))
  Buffer.from([0xff, 0xd8, 0xff, 0xe0]).copy(bytes)
  return bytes
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

const LOOK_EVERY_MS = 25
const LOOK_FOR_MS = 15_000

/** Looks until the check no longer throws, and answers what it gave; in the end its own error tells what is wrong. */
export async function eventually<T>(check: () => Promise<T>): Promise<T> {
  const until = performance.now() + LOOK_FOR_MS
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() >= until) throw error
    }
    await wait(LOOK_EVERY_MS)
  }
}
