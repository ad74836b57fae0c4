import type { Database } from 'better-sqlite3'
import { z } from 'zod'
import type { CursorStore } from '../attachment.ts'
import type { Write } from './state-file.ts'

const row = z.object({
  cluster: z.string(),
  xid: z.string().regex(/^\d+$/),
  id: z.number().int().nonnegative(),
})

export const CURSOR_TABLE = `
  create table cursor (
    only_one integer primary key check (only_one = 1),
    cluster text not null,
    xid text not null,
    id integer not null
  ) strict`

export function cursorStore(database: Database, write: Write): CursorStore {
  const select = database.prepare('select cluster, xid, id from cursor')
  const upsert = database.prepare<[string, string, number]>(
    'insert or replace into cursor (only_one, cluster, xid, id) values (1, ?, ?, ?)',
  )
  return {
    load() {
      const found = row.safeParse(select.get())
      return found.success ? found.data : null
    },
    save({ cluster, xid, id }) {
      write(() => upsert.run(cluster, xid, id))
    },
  }
}
