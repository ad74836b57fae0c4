import PQueue from 'p-queue'
import type { TestProject } from '../../support/project.ts'
import { type AttachmentRow, hashOf } from '../../support/rows.ts'
import type { Posted } from './mail.ts'

export interface Facts {
  readonly rows: number
  readonly uploaded: number
  readonly failed: number
  /** How many rows have lost so many leases: at 0, 1, 2 … */
  readonly lostLeases: readonly number[]
  /** Objects that no row names, left by daemons that were killed: `verify --orphans` lists them. */
  readonly orphans: number
}

interface Told {
  readonly event: string
  readonly code: string | null
}

type Row = AttachmentRow & { readonly message_id: string; readonly told: readonly Told[] | null }

const ROWS = `
  select a.*, (
    select json_agg(json_build_object('event', e.event, 'code', e.detail ->> 'error_code') order by e.id)
    from public.system_events e where e.attachment_id = a.id
  ) as told
  from public.attachments a order by a.id`

const COUNTED = new Set(['uploaded', 'retry', 'failed'])
const DOWNLOADS = 8

/** Looks at every row and every object when all is settled, and says what is not as it must be. */
export async function judge(
  project: TestProject,
  posted: readonly Posted[],
): Promise<{ facts: Facts; violations: string[] }> {
  const { rows } = await project.database.query<Row>(ROWS)
  const { rows: objects } = await project.database.query<{ name: string }>(
    `select name from storage.objects where bucket_id = 'attachments' and name not like '.probe/%'`,
  )
  const violations: string[] = []
  if (rows.length !== posted.length) violations.push(`${posted.length} messages became ${rows.length} rows`)
  const byMessage = new Map(rows.map(row => [row.message_id, row]))
  const downloads = new PQueue({ concurrency: DOWNLOADS })
  for (const each of posted) {
    const row = byMessage.get(each.message.id)
    if (row === undefined) violations.push(`message ${each.message.id} has no row`)
    else {
      violations.push(...faultsOf(row, each).map(fault => `attachment ${row.id}: ${fault}`))
      if (row.upload_status === 'UPLOADED') void downloads.add(() => compare(project, row, each, violations))
    }
  }
  await downloads.onIdle()
  const named = new Set(rows.flatMap(({ object_key: key }) => (key === null ? [] : [key])))
  const status = (wanted: string) => rows.filter(row => row.upload_status === wanted).length
  if (named.size !== status('UPLOADED')) violations.push('two rows name one object')
  const lostLeases: number[] = []
  for (const { lost_leases: lost } of rows) lostLeases[lost] = (lostLeases[lost] ?? 0) + 1
  const facts = {
    rows: rows.length,
    uploaded: status('UPLOADED'),
    failed: status('FAILED'),
    lostLeases: Array.from(lostLeases, number => number ?? 0),
    orphans: objects.filter(({ name }) => !named.has(name)).length,
  }
  return { facts, violations }
}

function faultsOf(row: Row, { message, expected }: Posted): string[] {
  const faults: string[] = []
  const told = row.told ?? []
  const [least, most] = expected.attempts
  const counted = told.filter(({ event }) => COUNTED.has(event))
  const story = told.map(({ event, code }) => (code === null ? event : `${event} ${code}`)).join(', ')
  const check = (holds: boolean, fault: string) => {
    if (!holds) faults.push(`${fault} (${story})`)
  }
  const ended = row.upload_status === 'UPLOADED' ? null : row.error_code
  check(
    row.upload_status === expected.status && ended === expected.code,
    `${row.upload_status} ${ended}, and not ${expected.status} ${expected.code}`,
  )
  check(
    row.upload_attempts >= least && row.upload_attempts <= most,
    `${row.upload_attempts} attempts, and not ${least} to ${most}`,
  )
  check(counted.length === row.upload_attempts, `${row.upload_attempts} attempts, ${counted.length} told of`)
  check(told.filter(({ event }) => event === 'received').length === 1, 'received twice')
  check(told.filter(({ event }) => event === 'uploaded').length <= 1, 'uploaded twice')
  check(row.leased_by === null && row.leased_until === null, 'still leased')
  if (row.upload_status === 'UPLOADED') check(row.sha256 === sentHash(message), 'another hash than was sent')
  return faults
}

async function compare(
  project: TestProject,
  row: Row,
  { message }: Posted,
  violations: string[],
): Promise<void> {
  try {
    const hash = await hashOf(project, row.object_key)
    if (hash !== sentHash(message)) violations.push(`attachment ${row.id}: its object is not what was sent`)
  } catch (error) {
    violations.push(`attachment ${row.id}: ${error}`)
  }
}

const sentHash = (message: Posted['message']): string =>
  Buffer.from(message.media.sha256, 'base64').toString('hex')
