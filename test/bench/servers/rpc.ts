import { createServer, type IncomingMessage } from 'node:http'
import pg from 'pg'
import { inform } from './channel.ts'

/**
 * A process of its own: as much of the Data API as mediaferry uses, on `pg`. `POST /rest/v1/rpc/<function>` with
 * arguments by name; reads of a table with `eq`, `gt`, `order` and `limit`, and their count by HEAD.
 */
const pool = new pg.Pool({
  connectionString: process.env.BENCH_DATABASE_URL,
  max: 10,
  options: '-c role=service_role',
})

interface SqlFunction {
  readonly types: ReadonlyMap<string, string>
}

const functions = await readFunctions()
const server = createServer((incoming, outgoing) => {
  answer(incoming).then(
    ({ status, headers = {}, body }) => {
      outgoing.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
    },
    error => {
      const { code = 'XX000', message, detail = null, hint = null } = error
      const status = code.startsWith('22') || code.startsWith('23') ? 400 : 500
      outgoing.writeHead(status, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify({ code, message, details: detail, hint }))
    },
  )
})
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  inform({ port: typeof address === 'object' ? address?.port : 0 })
})

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

async function answer(incoming: IncomingMessage): Promise<Answer> {
  const url = new URL(incoming.url ?? '/', 'http://gateway')
  const [, , , first = '', name = ''] = url.pathname.split('/')
  if (first !== 'rpc') return read(first, url.searchParams, incoming.method === 'HEAD')
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const args: Record<string, unknown> = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}')
  return call(name, args)
}

async function call(name: string, args: Record<string, unknown>): Promise<Answer> {
  const known = functions.get(name)
  const names = Object.keys(args)
  if (known === undefined || names.some(arg => !known.types.has(arg))) {
    return {
      status: 404,
      body: JSON.stringify({ code: 'PGRST202', message: `no function ${name}(${names})` }),
    }
  }
  const list = names.map((arg, at) => `${pg.escapeIdentifier(arg)} => $${at + 1}::${known.types.get(arg)}`)
  const text = `select public.${pg.escapeIdentifier(name)}(${list})::text as answer`
  const values = names.map(arg => (known.types.get(arg) === 'jsonb' ? JSON.stringify(args[arg]) : args[arg]))
  // As PostgREST does: the statement is prepared once for each connection.
  const { rows } = await pool.query({ name: `${name}(${names})`, text, values })
  return { status: 200, body: rows[0]?.answer ?? 'null' }
}

async function read(table: string, query: URLSearchParams, counting: boolean): Promise<Answer> {
  const values: string[] = []
  const conditions: string[] = []
  for (const [column, condition] of query) {
    const [, operator, value] = /^(eq|gt)\.(.*)$/.exec(condition) ?? []
    if (value === undefined) continue
    values.push(value)
    conditions.push(`${pg.escapeIdentifier(column)} ${operator === 'eq' ? '=' : '>'} $${values.length}`)
  }
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
  const from = `from public.${pg.escapeIdentifier(table)} ${where}`
  if (counting) {
    const { rows } = await pool.query(`select count(*) ${from}`, values)
    return { status: 200, headers: { 'content-range': `*/${rows[0]?.count}` } }
  }
  const columns = (query.get('select') ?? '').split(',').map(column => pg.escapeIdentifier(column.trim()))
  const order = query.get('order')?.split('.', 1)[0]
  const sorted = order === undefined ? '' : `order by ${pg.escapeIdentifier(order)}`
  const limit = Math.min(Number(query.get('limit') ?? 1000), 1000)
  const text = `select coalesce(json_agg(t), '[]')::text as answer from (select ${columns} ${from} ${sorted} limit ${limit}) t`
  const { rows } = await pool.query(text, values)
  return { status: 200, body: rows[0]?.answer }
}

async function readFunctions(): Promise<Map<string, SqlFunction>> {
  const { rows } = await pool.query(`
    select p.proname as name,
      array(select t::regtype::text from unnest(p.proargtypes) t) as types,
      coalesce(p.proargnames, '{}') as names
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace`)
  return new Map(
    rows.map(({ name, types, names }: { name: string; types: string[]; names: string[] }) => [
      name,
      { types: new Map(types.map((type, at) => [names[at] ?? '', type])) },
    ]),
  )
}
