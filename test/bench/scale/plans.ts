import pg from 'pg'

/** How one call was carried out. */
export interface Plan {
  /** Pages of 8 KB that it looked at, inside the function too. Does not depend on how busy the machine is. */
  readonly pages: number
  /** Rows read from our tables, in order or through an index; those that the index alone could answer are not among them. */
  readonly rowsRead: number
  readonly indexes: readonly string[]
  /** Tables that were read in full. */
  readonly scanned: readonly string[]
}

/** Looks at plans, on a connection of its own: auto_explain tells those of the statements inside a function. */
export interface PlanReader {
  read(text: string, values: readonly unknown[]): Promise<Plan>
  close(): Promise<void>
}

const OPTIONS = [
  'role=service_role',
  'session_preload_libraries=auto_explain',
  'auto_explain.log_min_duration=0',
  'auto_explain.log_nested_statements=on',
  'auto_explain.log_format=json',
  'auto_explain.log_level=notice',
]

const ROWS_READ = `
  select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int as read
  from pg_stat_xact_user_tables where schemaname in ('public', 'mediaferry')`

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly Plans?: readonly PlanNode[]
}

export async function openPlanReader(databaseUrl: string): Promise<PlanReader> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    options: OPTIONS.map(option => `-c ${option}`).join(' '),
  })
  let told: PlanNode[] = []
  client.on('notice', ({ message = '' }) => {
    const at = message.indexOf('{')
    if (message.includes('plan:') && at >= 0) told.push(JSON.parse(message.slice(at)).Plan)
  })
  await client.connect()
  /** Without what a new connection reads of the catalog, and with the plans that a connection settles on. */
  const WARM_UP = 6
  const rowsRead = async (): Promise<number> => (await client.query(ROWS_READ)).rows[0]?.read

  return {
    async read(text, values) {
      await client.query('begin')
      try {
        for (let turn = 0; turn < WARM_UP; turn++) {
          await client.query(text, [...values])
          await client.query('rollback and chain')
        }
        const before = await rowsRead()
        told = []
        const { rows } = await client.query(`explain (analyze, buffers, format json) ${text}`, [...values])
        const nodes = told.flatMap(flat)
        const after = await rowsRead()
        const root = rows[0]?.['QUERY PLAN'][0].Plan
        return {
          pages: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
          rowsRead: after - before,
          indexes: unique(nodes.map(node => node['Index Name'])),
          scanned: unique(
            nodes.filter(node => node['Node Type'] === 'Seq Scan').map(node => node['Relation Name']),
          ),
        }
      } finally {
        await client.query('rollback')
      }
    },
    close: () => client.end(),
  }
}

const flat = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flat)]

const unique = (names: readonly (string | undefined)[]): string[] =>
  [...new Set(names.filter(name => name !== undefined))].sort()
