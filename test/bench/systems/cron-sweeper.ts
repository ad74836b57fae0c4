import pg from 'pg'
import { CONCURRENCY, DATABASE_URL, ready } from './child.ts'
import { inLanes, type Job, openCopy } from './copy.ts'

/** What people write first: every second select what is pending, loop, update each. No leases, no batches. */
const EVERY_MS = 1000
const copy = openCopy(CONCURRENCY)
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: CONCURRENCY })
let busy = false

async function sweep(): Promise<void> {
  if (busy) return
  busy = true
  const { rows } = await pool.query<Job & { id: string }>(
    "select id, media, key from public.bench_sweeper where status = 'pending' order by id",
  )
  await inLanes(rows, CONCURRENCY, async row => {
    await copy(row)
    await pool.query("update public.bench_sweeper set status = 'uploaded' where id = $1", [row.id])
  })
  busy = false
}

setInterval(() => {
  sweep().catch(error => {
    console.error(error)
    process.exit(1)
  })
}, EVERY_MS)
ready()
