import { setTimeout as delay } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import pg from 'pg'
import { tidyText } from '../errors.ts'

/** Where the messages of one demo are, all at one moment. */
export interface DemoCounts {
  readonly PENDING: number
  readonly UPLOADING: number
  readonly UPLOADED: number
  readonly FAILED: number
  readonly bytes: number
  /** Texts of the newest failures and retries, at most three. */
  readonly troubles: readonly string[]
}

export interface WatchOptions {
  readonly databaseUrl: string
  readonly messageIds: readonly string[]
  readonly output: NodeJS.WriteStream
  /** Ends the watching early: a part of the project has died. */
  readonly broken: Promise<string>
}

const LOOK_EVERY_MS = 250

/** Shows the way of these messages until all of them are UPLOADED or FAILED. Answers the last counts. */
export async function watch(options: WatchOptions): Promise<DemoCounts> {
  const client = new pg.Client({ connectionString: options.databaseUrl })
  await client.connect()
  const display = options.output.isTTY ? progressBar(options) : plainLines(options)
  let brokenBy: string | undefined
  options.broken.then(why => {
    brokenBy = why
  })
  try {
    for (;;) {
      const counts = await look(client, options.messageIds)
      display.show(counts)
      if (counts.UPLOADED + counts.FAILED >= options.messageIds.length) return counts
      if (brokenBy !== undefined) throw new Error(brokenBy)
      await delay(LOOK_EVERY_MS)
    }
  } finally {
    display.end()
    await client.end()
  }
}

const COUNTS = `
select
  count(*) filter (where upload_status = 'PENDING')::int as "PENDING",
  count(*) filter (where upload_status = 'UPLOADING')::int as "UPLOADING",
  count(*) filter (where upload_status = 'UPLOADED')::int as "UPLOADED",
  count(*) filter (where upload_status = 'FAILED')::int as "FAILED",
  coalesce(sum(size_bytes) filter (where upload_status = 'UPLOADED'), 0)::float8 as bytes,
  array(
    select a.id || ': ' || a.error_code || ', ' || coalesce(a.error_message, '')
    from public.attachments a
    where a.message_id = any ($1) and a.error_code is not null
    order by a.updated_at desc
    limit 3
  ) as troubles
from public.attachments
where message_id = any ($1)`

async function look(client: pg.Client, messageIds: readonly string[]): Promise<DemoCounts> {
  const { rows } = await client.query<DemoCounts>(COUNTS, [messageIds])
  if (rows[0] === undefined) throw new Error('The database did not count.')
  return rows[0]
}

interface Display {
  show(counts: DemoCounts): void
  end(): void
}

function progressBar({ messageIds, output }: WatchOptions): Display {
  const format =
    '  [{bar}] {value}/{total}  pending {PENDING}  uploading {UPLOADING}  uploaded {UPLOADED}  failed {FAILED}  {rate}{trouble}'
  const bar = new SingleBar({
    format,
    stream: output,
    hideCursor: true,
    barsize: 24,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
  })
  const rate = throughput()
  bar.start(messageIds.length, 0, {
    PENDING: messageIds.length,
    UPLOADING: 0,
    UPLOADED: 0,
    FAILED: 0,
    rate: '',
    trouble: '',
  })
  return {
    show: counts => {
      const trouble = counts.troubles[0] === undefined ? '' : `  last: ${tidyText(counts.troubles[0], 60)}`
      bar.update(counts.UPLOADED + counts.FAILED, { ...counts, rate: rate(counts), trouble })
    },
    end: () => bar.stop(),
  }
}

/** In a pipe: a line a second at the most, and only when something has changed. */
function plainLines({ messageIds, output }: WatchOptions): Display {
  const rate = throughput()
  let last = ''
  let lastAt = 0
  let pending = ''
  return {
    show: counts => {
      const states = (['PENDING', 'UPLOADING', 'UPLOADED', 'FAILED'] as const).map(
        name => `${name} ${counts[name]}`,
      )
      pending = `  ${states.join('  ')}  of ${messageIds.length}`
      if (pending === last || performance.now() - lastAt < 1000) return
      output.write(`${pending}  ${rate(counts)}\n`)
      for (const trouble of counts.troubles) output.write(`    ${tidyText(trouble, 120)}\n`)
      last = pending
      lastAt = performance.now()
    },
    end: () => {
      if (pending !== last) output.write(`${pending}\n`)
    },
  }
}

/** Since the first look: an earlier round's files are in the counts and are no merit of this one. */
function throughput(): (counts: DemoCounts) => string {
  const startedAt = performance.now()
  let first: DemoCounts | undefined
  return counts => {
    first ??= counts
    const seconds = (performance.now() - startedAt) / 1000
    if (seconds < 0.2) return ''
    const megabytes = (counts.bytes - first.bytes) / 2 ** 20
    return `${((counts.UPLOADED - first.UPLOADED) / seconds).toFixed(0)}/s  ${(megabytes / seconds).toFixed(1)} MB/s`
  }
}
