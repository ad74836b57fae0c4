import type { Owner } from '../../database/upkeep.ts'
import { type WalkedObject, walkObjects } from '../../transfer/walk.ts'
import { INTERRUPTED } from '../stop-signal.ts'
import { lookOf, moment, oneLine, sizeText } from '../terminal.ts'
import type { VerifyOptions } from '../verify.ts'
import { type Archive, openArchive, untilStopped } from './archive.ts'
import { confirmed } from './confirm.ts'
import { counted } from './counted.ts'
import { attachmentOf, type Orphan, type OrphanKind, orphanKind, REMOVABLE } from './orphan.ts'
import { showProgress } from './progress.ts'

const PAGE = 500
const AN_HOUR_MS = 3_600_000

const WHY: Readonly<Record<OrphanKind, string>> = {
  gone: 'its attachment is gone',
  replaced: 'its attachment has another object',
  probe: 'left by a try of Storage',
  failed: 'its attachment is FAILED: kept, a retry may use it',
  foreign: 'not written by mediaferry: left alone',
}

/**
 * `mediaferry verify --orphans`: the objects of the bucket that no row names. `--repair` removes those that nobody
 * can need any more, after a question. Answers the exit code: 0 when none of these is left.
 */
export async function listOrphans(options: VerifyOptions): Promise<number> {
  const archive = openArchive()
  const signal = untilStopped()
  try {
    const { objects, orphans } = await find(archive, Date.now() - (options.olderThan ?? AN_HOUR_MS), signal)
    const removable = orphans.filter(({ kind }) => REMOVABLE.has(kind))
    if (options.json !== true) show(objects, orphans, removable, options)
    const wanted = options.repair === true && removable.length > 0 && !signal.aborted
    const isSure = wanted && (await confirmed(question(removable), options.yes))
    if (isSure) await remove(archive, removable, signal)
    if (options.json === true) showJson(objects, orphans, isSure)
    else if (isSure) process.stdout.write(`${removable.length} removed\n`)
    if (signal.aborted) return INTERRUPTED
    return removable.length === 0 || isSure ? 0 : 1
  } catch (error) {
    if (signal.aborted) return INTERRUPTED
    throw error
  } finally {
    await archive.close()
  }
}

async function find({ upkeep, storage, settings }: Archive, bornBefore: number, signal: AbortSignal) {
  const bucket = settings.STORAGE_BUCKET
  const orphans: Orphan[] = []
  let objects = 0
  let page: WalkedObject[] = []
  // Objects first, rows after: an object whose row is not there by then never gets one.
  const judge = async () => {
    const ids = [...new Set(page.flatMap(({ key }) => attachmentOf(key)?.id ?? []))]
    const owners = ids.length === 0 ? [] : await upkeep.owners(ids)
    const byId = new Map<number, Owner>(owners.map(owner => [owner.id, owner]))
    for (const object of page) {
      const kind = orphanKind(object, bucket, byId.get(attachmentOf(object.key)?.id ?? 0), bornBefore)
      if (kind !== null) orphans.push({ ...object, kind })
    }
    objects += page.length
    page = []
  }
  for await (const object of walkObjects(storage, bucket, signal)) {
    page.push(object)
    if (page.length === PAGE) await judge()
  }
  await judge()
  return { objects, orphans }
}

async function remove(
  { storage, settings }: Archive,
  orphans: readonly Orphan[],
  signal: AbortSignal,
): Promise<void> {
  const progress = showProgress('Removing', orphans.length)
  try {
    for (let at = 0; at < orphans.length; at += PAGE) {
      const page = orphans.slice(at, at + PAGE)
      await storage.removeObjects(
        settings.STORAGE_BUCKET,
        page.map(({ key }) => key),
        signal,
      )
      progress.advance(page.length)
    }
  } finally {
    progress.end()
  }
}

const sizeOf = (orphans: readonly Orphan[]): string =>
  sizeText(orphans.reduce((sum, { size }) => sum + (size ?? 0), 0))

const question = (orphans: readonly Orphan[]): string =>
  `Remove ${counted(orphans.length, 'object')} (${sizeOf(orphans)}) for good? After a restore of the database from a backup this ` +
  'would remove files that it does not know yet.'

function show(
  objects: number,
  orphans: readonly Orphan[],
  removable: readonly Orphan[],
  options: VerifyOptions,
): void {
  const look = lookOf(process.stdout)
  const lines: string[] = []
  if (orphans.length > 0) {
    const rows = orphans.map(({ key, size, createdAt, kind }) => [
      oneLine(key, 120),
      size === null ? '' : String(size),
      createdAt === null ? '' : moment(createdAt),
      REMOVABLE.has(kind) ? look.paint('yellow', WHY[kind]) : WHY[kind],
    ])
    lines.push(look.table(['object', 'bytes', 'stored', 'why'], rows, ['bytes']))
  }
  const found =
    removable.length === 0 ? 'no orphans' : `${counted(removable.length, 'orphan')} (${sizeOf(removable)})`
  const next = removable.length > 0 && options.repair !== true ? ': --repair removes them' : ''
  lines.push(`${counted(objects, 'object')} looked at, ${found}${next}`)
  process.stdout.write(`${lines.join('\n')}\n`)
}

function showJson(objects: number, orphans: readonly Orphan[], removed: boolean): void {
  const rows = orphans.map(({ key, size, createdAt, kind }) => ({
    object_key: key,
    size_bytes: size,
    created_at: createdAt,
    kind,
    removed: removed && REMOVABLE.has(kind),
  }))
  process.stdout.write(`${JSON.stringify({ objects, orphans: rows })}\n`)
}
