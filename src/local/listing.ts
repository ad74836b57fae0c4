import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { request } from 'undici'
import { z } from 'zod'
import { credentials, jsonOf, type SigningAnswer } from './signing.ts'

const wanted = z.object({
  prefix: z.string().default(''),
  search: z.string().default(''),
  limit: z.int().nonnegative().default(100),
  offset: z.int().nonnegative().default(0),
  sortBy: z.object({ column: z.string().optional(), order: z.string().optional() }).nullish(),
})

const listed = z.array(z.looseObject({ name: z.string() }))

type Wanted = z.output<typeof wanted>
type Entry = z.output<typeof listed>[number]

const PAGE = 1000

/**
 * `POST /storage/v1/object/list/<bucket>` as the hosted Storage answers it: one folder, its objects under their
 * own names, folders in it as entries without an id, `search` the beginning of a name. @supabase/lite 0.10.0
 * answers every object whose whole key begins with `prefix` (`7` also `77/x`), under that whole key. Rejects when
 * the server cannot be reached.
 */
export async function list(api: string, incoming: IncomingMessage): Promise<SigningAnswer> {
  const asked = wanted.safeParse(jsonOf(await buffer(incoming)))
  const question = asked.success ? asked.data : wanted.parse({})
  const folder = question.prefix.replace(/\/+$/, '')
  const prefix = folder === '' ? '' : `${folder}/`
  const all: Entry[] = []
  for (let offset = 0; ; offset += PAGE) {
    const response = await request(api + incoming.url, {
      method: 'POST',
      headers: { ...credentials(incoming), 'content-type': 'application/json' },
      body: JSON.stringify({ prefix, limit: PAGE, offset, sortBy: { column: 'name', order: 'asc' } }),
    })
    const body = await response.body.json()
    const page = listed.safeParse(body)
    if (response.statusCode !== 200 || !page.success) return { status: response.statusCode, body }
    all.push(...page.data)
    if (page.data.length < PAGE) break
  }
  return { status: 200, body: folderOf(all, prefix, question) }
}

/** What is directly below `prefix` (empty, or with a slash at its end), by name. */
export function folderOf(all: readonly Entry[], prefix: string, question: Omit<Wanted, 'prefix'>): Entry[] {
  const entries = new Map<string, Entry>()
  for (const entry of all) {
    if (!entry.name.startsWith(prefix)) continue
    const [name = '', below] = entry.name.slice(prefix.length).split('/', 2)
    if (!name.toLowerCase().startsWith(question.search.toLowerCase())) continue
    entries.set(name, below === undefined ? { ...entry, name } : { name, id: null, metadata: null })
  }
  const sorted = [...entries.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
  if (question.sortBy?.order === 'desc') sorted.reverse()
  return sorted.slice(question.offset, question.offset + question.limit)
}
