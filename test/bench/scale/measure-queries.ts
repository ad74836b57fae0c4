import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { projectKeys } from '../../../src/local/keys.ts'
import { startCluster } from '../../../src/local/postgres.ts'
import { prepareDatabase, query } from '../../../src/local/prepare.ts'
import { openChildRegistry } from '../../../src/local/processes.ts'
import { median, rounded } from '../statistics.ts'
import { fillSettled } from './fill.ts'
import { openPlanReader, type Plan } from './plans.ts'
import { type Facts, QUESTIONS, type Question } from './queries.ts'

/** One question asked of one size. */
export interface Asked extends Plan {
  readonly query: string
  readonly rows: number
  readonly medianMs: number
  /** To the smallest size that has as much to look at; null for that size and below it. */
  readonly ratio: number | null
}

interface Size {
  readonly facts: Facts
  readonly databaseUrl: string
  readonly client: pg.Client
}

/** The first of them plan, cache and warm up, and do not count. */
const WARM_UP = 6
const TIMES = 25

/**
 * All sizes lie in databases of one cluster and are asked in turns, so that what else the machine does meets them alike.
 * Every call is rolled back: each is asked of the same rows.
 */
export async function measureQueries(
  sizes: readonly number[],
  say: (text: string) => void,
): Promise<Asked[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mediaferry-scale-'))
  // As root, PostgreSQL runs as somebody else, who must get in.
  chmodSync(folder, 0o755)
  const registry = await openChildRegistry(folder)
  const removeAll = () => {
    registry.endAll()
    registry.close()
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', removeAll)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const cluster = await startCluster({
      folder: join(folder, 'postgres'),
      registry,
      // Autovacuum's own transactions would move the horizon and the times.
      settings: { shared_buffers: '512MB', max_wal_size: '4GB', autovacuum: 'off' },
    })
    await query(cluster.url('postgres'), 'create database prepared')
    await prepareDatabase({
      databaseUrl: cluster.url('prepared'),
      folder: join(folder, 'lite'),
      registry,
      keys: projectKeys(join(folder, 'keys.json')),
      fileSizeLimit: 1024,
    })
    const open: Size[] = []
    try {
      for (const rows of sizes) {
        await query(cluster.url('postgres'), `create database of_${rows} template prepared`)
        open.push(await openSize(cluster.url(`of_${rows}`), rows, say))
      }
      return await askAll(open)
    } finally {
      await Promise.all(open.map(({ client }) => client.end()))
      await cluster.stop()
    }
  } finally {
    process.removeListener('exit', removeAll)
    removeAll()
  }
}

async function openSize(databaseUrl: string, rows: number, say: (text: string) => void): Promise<Size> {
  const began = performance.now()
  const filler = new pg.Client({ connectionString: databaseUrl })
  await filler.connect()
  let facts: Facts
  let disk: number
  try {
    await fillSettled(filler, rows)
    await filler.query('checkpoint')
    facts = await readFacts(filler, rows)
    disk = (await filler.query(DISK)).rows[0]?.bytes
  } finally {
    await filler.end()
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  say(`${rows} rows: filled in ${seconds} s; ${Math.round(disk / rows)} bytes of disk for each file`)
  const client = new pg.Client({ connectionString: databaseUrl, options: '-c role=service_role' })
  await client.connect()
  return { facts, databaseUrl, client }
}

/** With their indexes. */
const DISK = `
  select sum(pg_total_relation_size(c.oid))::float as bytes from pg_class c
  where c.oid in (
    'public.attachments'::regclass, 'public.processed_messages'::regclass, 'public.system_events'::regclass,
    'public.leads'::regclass
  )`

async function readFacts(client: pg.Client, rows: number): Promise<Facts> {
  const all = async (text: string) => (await client.query(text)).rows
  const [lead] = await all(
    'select id::text, phone, profile_name as name from public.leads order by id limit 1',
  )
  const [last, ...before] = await all(
    'select created_xid::text as xid, id::text from public.attachments order by created_xid desc, id desc limit 501',
  )
  const [uploaded] = await all(
    "select id::text from public.attachments where upload_status = 'UPLOADED' order by id desc limit 1",
  )
  const claims = await all(`select id::int, claim_token::int, leased_by from public.attachments
    where upload_status = 'UPLOADING' order by leased_by, id limit 2`)
  return {
    rows,
    due: (
      await all(`select id::text from public.attachments
        where upload_status = 'PENDING' and next_attempt_at <= now() order by id desc limit 4`)
    ).map(({ id }) => id),
    worker: claims[0].leased_by,
    claims: claims.map(({ id, claim_token }) => ({ id, claim_token })),
    uploaded: uploaded.id,
    lead,
    last,
    behind: before.at(-1),
  }
}

async function askAll(sizes: readonly Size[]): Promise<Asked[]> {
  const asked: Asked[] = []
  for (const question of QUESTIONS) {
    const times = new Map<Size, number[]>(sizes.map(size => [size, []]))
    for (let turn = 0; turn < WARM_UP + TIMES; turn++) {
      for (const [size, of] of times) {
        const ms = await ask(size, question)
        if (turn >= WARM_UP) of.push(ms)
      }
    }
    const base = sizes.find(({ facts }) => facts.rows >= (question.from ?? 0)) ?? sizes.at(-1)
    const baseMs = median((base && times.get(base)) ?? [])
    for (const [size, of] of times) {
      const reader = await openPlanReader(size.databaseUrl)
      try {
        asked.push({
          query: question.name,
          rows: size.facts.rows,
          medianMs: rounded(median(of), 3),
          ratio: size.facts.rows > (base?.facts.rows ?? 0) ? rounded(median(of) / baseMs, 2) : null,
          ...(await reader.read(question.text, question.values?.(size.facts) ?? [])),
        })
      } finally {
        await reader.close()
      }
    }
  }
  return asked
}

async function ask({ client, facts }: Size, { name, text, values }: Question): Promise<number> {
  const given = [...(values?.(facts) ?? [])]
  await client.query('begin')
  const began = performance.now()
  await client.query({ name, text, values: given })
  const ms = performance.now() - began
  await client.query('rollback')
  return ms
}

/** Tables that grow with every file. */
const GROWING = ['attachments', 'processed_messages', 'system_events', 'leads']
const FLAT_WITHIN = 2
/** Less than that is the machine's, not the query's. */
const NOISE_MS = 1
/** In a table of a few pages, reading it in full may be the best plan. */
const LARGE = 100_000

/** What is not as it should be: not flat, or not by the index. */
export function queryFaults(asked: readonly Asked[]): string[] {
  return asked.flatMap(({ query, rows, medianMs, ratio, indexes, scanned }) => {
    const through = QUESTIONS.find(({ name }) => name === query)?.through
    const isSlower = ratio !== null && ratio > FLAT_WITHIN && medianMs - medianMs / ratio > NOISE_MS
    const inFull = scanned.filter(table => GROWING.includes(table))
    return [
      ...(isSlower ? [`${query}: ${ratio} times as long with ${rows} rows`] : []),
      ...(rows >= LARGE && inFull.length > 0 ? [`${query}: reads ${inFull.join(', ')} in full`] : []),
      ...(rows >= LARGE && through !== undefined && !through.some(name => indexes.includes(name))
        ? [`${query}: does not use ${through.join(' or ')} with ${rows} rows but ${indexes.join(', ')}`]
        : []),
    ]
  })
}
