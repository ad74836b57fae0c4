import type { StoredFile, Upkeep } from '../database/upkeep.ts'
import { UserError } from '../errors.ts'
import { asTyped } from './called.ts'
import { INTERRUPTED } from './stop-signal.ts'
import { lookOf, moment, oneLine } from './terminal.ts'
import { type Archive, openArchive, untilStopped } from './upkeep/archive.ts'
import { checkObject, type Fault } from './upkeep/check-object.ts'
import { inLanes } from './upkeep/in-lanes.ts'
import { showProgress } from './upkeep/progress.ts'
import { openWatermark } from './upkeep/watermark.ts'

export interface VerifyOptions {
  readonly deep?: true
  readonly orphans?: true
  readonly repair?: true
  /** Rows above this id only. */
  readonly after?: number
  /** So many rows at the most. */
  readonly limit?: number
  /** With `orphans`: milliseconds; younger objects are left alone. */
  readonly olderThan?: number
  readonly yes?: true
  readonly json?: true
}

interface Finding extends Fault {
  readonly file: StoredFile
  /** What --repair made of it; null when nothing was asked for, or the row has changed since. */
  repair: 'refetched' | 'lost' | null
}

interface Outcome {
  readonly checked: number
  /** By id. */
  readonly findings: readonly Finding[]
  /** Everything up to here was looked at. */
  readonly reached: number
  readonly complete: boolean
  /** Why it ended early; null when it did not, or was told to. */
  readonly error: unknown
}

const PAGE = 500

/**
 * `mediaferry verify`: every UPLOADED row against its object. `--repair` has what is missing or wrong fetched again
 * while Meta still has it. Answers the exit code: 0 when nothing is wrong, or all of it is on its way again.
 */
export async function verify(options: VerifyOptions): Promise<number> {
  if (options.orphans === true) {
    refuseWith(options, ['deep', 'after', 'limit'])
    return (await import('./upkeep/orphans.ts')).listOrphans(options)
  }
  refuseWith(options, ['olderThan', 'yes'])
  const archive = openArchive()
  const signal = untilStopped()
  try {
    const outcome = await checkAll(archive, options, signal)
    if (options.repair === true) await repair(archive.upkeep, outcome.findings)
    tell(outcome, options)
    if (outcome.error !== null) throw outcome.error
    if (signal.aborted) return INTERRUPTED
    return outcome.findings.every(({ repair }) => repair === 'refetched') ? 0 : 1
  } finally {
    await archive.close()
  }
}

const FLAGS = { deep: '--deep', after: '--after', limit: '--limit', olderThan: '--older-than', yes: '--yes' }

function refuseWith(options: VerifyOptions, names: readonly (keyof typeof FLAGS)[]): void {
  const unfit = names.filter(name => options[name] !== undefined)
  if (unfit.length === 0) return
  const flags = unfit.map(name => FLAGS[name]).join(', ')
  throw options.orphans === true
    ? new UserError(
        `${flags} looks at rows, --orphans at the objects that no row names: one of the two at a time.`,
      )
    : new UserError(`${flags} goes with --orphans.`)
}

async function checkAll(archive: Archive, options: VerifyOptions, signal: AbortSignal): Promise<Outcome> {
  const { upkeep, storage, settings } = archive
  const after = options.after ?? 0
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const total = Math.min(await upkeep.countStoredFiles(after), limit)
  const progress = showProgress(options.deep === true ? 'Downloading' : 'Checking', total)
  const watermark = openWatermark(after)
  const findings: Finding[] = []
  let checked = 0
  let error: unknown = null
  let listed = { count: 0, ended: false }

  async function* rows(): AsyncGenerator<StoredFile> {
    for (let last = after; listed.count < limit; ) {
      const page = await upkeep.storedFiles(last, Math.min(PAGE, limit - listed.count))
      for (const file of page) {
        listed = { ...listed, count: listed.count + 1 }
        last = file.id
        yield file
      }
      if (page.length < PAGE) break
    }
    listed = { ...listed, ended: listed.count < limit }
  }

  try {
    await inLanes(rows(), settings.CONCURRENCY, signal, async file => {
      watermark.start(file.id)
      const fault = await checkObject(storage, file, options.deep === true, signal)
      if (fault !== null && (await isStillSo(upkeep, file))) findings.push({ ...fault, file, repair: null })
      watermark.finish(file.id)
      checked++
      progress.advance()
    })
  } catch (thrown) {
    error = thrown
  } finally {
    progress.end()
  }
  findings.sort((one, other) => one.file.id - other.file.id)
  const complete = listed.ended && error === null && !signal.aborted
  return { checked, findings, reached: watermark.reached(), complete, error }
}

/** It may have been forgotten, or fetched again, between the reading of the row and the look at its object. */
async function isStillSo(upkeep: Upkeep, file: StoredFile): Promise<boolean> {
  return (await upkeep.storedFile(file.id))?.object_key === file.object_key
}

async function repair(upkeep: Upkeep, findings: readonly Finding[]): Promise<void> {
  for (let at = 0; at < findings.length; at += PAGE) {
    const page = findings.slice(at, at + PAGE)
    const { refetched, lost } = await upkeep.refetch(
      page.flatMap(({ file, problem }) =>
        file.object_key === null ? [] : [{ id: file.id, object_key: file.object_key, problem }],
      ),
    )
    for (const finding of page) {
      if (refetched.includes(finding.file.id)) finding.repair = 'refetched'
      else if (lost.includes(finding.file.id)) finding.repair = 'lost'
    }
  }
}

function tell({ checked, findings, reached, complete }: Outcome, options: VerifyOptions): void {
  if (options.json === true) {
    const problems = findings.map(({ file, problem, repair }) => ({
      id: file.id,
      problem,
      bucket: file.bucket,
      object_key: file.object_key,
      expires_at: file.expires_at,
      repair,
    }))
    const answer = { checked, problems, next_after: complete ? null : reached }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
    return
  }
  const look = lookOf(process.stdout)
  const lines: string[] = []
  if (findings.length > 0) {
    const rows = findings.map(({ file, text, repair }) => [
      String(file.id),
      look.paint('red', oneLine(text)),
      oneLine(`${file.bucket}/${file.object_key}`, 120),
      hope(file, repair),
    ])
    lines.push(look.table(['id', 'problem', 'object', 'again'], rows, ['id']))
  }
  lines.push(summary(checked, findings, options.repair === true))
  if (!complete) lines.push(asTyped(`The rest: \`mediaferry verify --after ${reached}\` goes on from here.`))
  process.stdout.write(`${lines.join('\n')}\n`)
}

function hope({ expires_at }: StoredFile, repair: Finding['repair']): string {
  if (repair === 'refetched') return 'is being fetched'
  const isLost = repair === 'lost' || Date.parse(expires_at) <= Date.now()
  return isLost ? 'lost: Meta has deleted it' : `Meta has it until ${moment(expires_at)}`
}

function summary(checked: number, findings: readonly Finding[], repaired: boolean): string {
  if (findings.length === 0) return `${checked} checked, all as they should be`
  const found = `${checked} checked, ${findings.length} not as they should be`
  if (repaired) {
    const again = findings.filter(({ repair }) => repair === 'refetched').length
    return `${found}, ${again} of them will be fetched again`
  }
  const possible = findings.some(({ file }) => Date.parse(file.expires_at) > Date.now())
  return possible ? `${found}: with --repair, what Meta still has is fetched again` : found
}
