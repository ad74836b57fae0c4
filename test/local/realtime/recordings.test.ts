import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type RawClient, rawClient } from './raw-client.ts'
import { inSeconds, jwt, realtimeDatabase, testServer } from './support.ts'

/** What was done to the database in the cases whose recording does not tell; run when the first row is expected. */
const SQL: Readonly<Record<string, string>> = {
  'two bindings, one bad': "insert into attachments (note) values ('lost')",
  'filter: comma AND composition shard=gte.1,shard=lt.3':
    "insert into sharded (shard, note) select shard, 'f' from generate_series(0, 4) shard",
  'filter: not.eq': "insert into sharded (shard, note) values (1, 'f'), (0, 'f'), (null, 'f')",
  'select columns': "insert into sharded (shard, note) values (0, 'f')",
  'bad event name': "insert into attachments (status, note) values ('x', 'upsert')",
  'postgres_changes not a list': "insert into attachments (note) values ('lost')",
  'no SELECT privilege for role': 'insert into nopriv values (1)',
  'RLS table, anon': "insert into rlst values (1, 'bob', 'unseen')",
  'RLS table, authenticated sub=bob':
    "insert into rlst values (2, 'eve', 'hers'), (951248702, 'bob', 'visible')",
  'table without primary key': 'insert into nopk values (1)',
  'all types': `insert into alltypes values (1, -5, 9007199254740993, 12345678901234567890.123456789, 1.5e300, true,
    E'line\\n"q" é 😀', '2026-01-02 03:04:05.678901+02', '2026-02-03', '{"a": [1, 2, {"b": null}]}', '{x,"y,z"}',
    '00000000-0000-0000-0000-000000000001', '\\xdeadbeef', null)`,
  'schema wildcard *':
    "insert into notpub values (1); insert into attachments (status, note) values ('x', 'wild')",
  'vsn 1.0.0': "insert into attachments (status, note) values ('new', 'vsn')",
  'vsn 2.0.0': "insert into attachments (status, note) values ('new', 'vsn')",
  'same topic joined twice on one socket': "insert into attachments (status, note) values ('x', 'dup')",
  'two topics, same binding, one socket': "insert into attachments (status, note) values ('x', 'two-topics')",
}

const TOKENS: Readonly<Record<string, object>> = {
  'RLS table, authenticated sub=bob': { role: 'authenticated', sub: 'bob' },
}

describe('answers frame for frame like supabase/realtime 2.129.8', async () => {
  const database = await realtimeDatabase({ after })
  const { server, url } = await testServer(database)
  const ids = sameIds()
  const clients: RawClient[] = []
  database.atEnd(async () => {
    for (const { socket } of clients) socket.terminate()
  })

  for (const file of ['v2', 'vsn', 'misc', 'bindings']) {
    let client: RawClient | undefined
    for (const { name, steps } of readCases(file)) {
      test(`${file}: ${name}`, async () => {
        const token = jwt({ exp: inSeconds(600), ...(TOKENS[name] ?? { role: 'anon' }) })
        let sql = SQL[name]
        const change = async (): Promise<void> => {
          if (sql !== undefined) await database.sql(sql)
          sql = undefined
        }
        for (const { kind, text } of steps) {
          if (kind === 'OPENING') {
            const query = text.replace(/^[^?]*/, '').replace('<jwt>', token)
            client = rawClient(`${url}/realtime/v1/websocket${query}`)
            clients.push(client)
            if (!steps.some(step => step.kind === 'HTTP')) await opened(client)
          } else if (kind === 'HTTP') {
            assert.equal(await refused(client), text.slice(0, 3))
          } else if (kind === '->') {
            client?.socket.send(text.replaceAll('<jwt>', token))
          } else if (kind === 'SQL') {
            await database.sql(text)
          } else {
            if (text.includes('"postgres_changes",{"data"') || text.includes('"postgres_changes","topic"'))
              await change()
            const frame = await client?.frames.take()
            sameFrame(frame ?? '', text, ids)
          }
        }
        if (client?.socket.readyState !== client?.socket.OPEN) return
        // Whatever the recording does not have must not come either.
        await change()
        await server.caughtUp()
        client?.socket.send('[null,"end","phoenix","heartbeat",{}]')
        client?.socket.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"end"}')
        assert.match((await client?.frames.take()) ?? '', /"end"/)
      })
    }
  }
})

interface Step {
  readonly kind: string
  readonly text: string
}

/** The cases of one recording: what was sent, what came, what was done, in order. */
function readCases(file: string): { name: string; steps: Step[] }[] {
  const cases: { name: string; steps: Step[] }[] = []
  const lines = readFileSync(join(import.meta.dirname, 'recordings', `${file}.log`), 'utf8').split('\n')
  for (const line of lines) {
    const title = /^--- (.*)/.exec(line)?.[1]
    const [, , kind, text] = /^\s*([\d.]+)ms (?:\*\* )?(->|<-|SQL|OPENING|HTTP) (.*)/.exec(line) ?? []
    if (title !== undefined) cases.push({ name: title, steps: [] })
    if (kind === undefined || text === undefined) continue
    if (cases.length === 0) cases.push({ name: 'a whole session', steps: [] })
    cases.at(-1)?.steps.push({ kind, text })
  }
  return cases
}

async function opened({ socket }: RawClient): Promise<void> {
  await new Promise<void>((resolve, reject) => socket.once('open', resolve).once('error', reject))
}

async function refused(client: RawClient | undefined): Promise<string | undefined> {
  return new Promise(resolve => {
    client?.socket.once('error', error => resolve(/\d{3}/.exec(error.message)?.[0]))
  })
}

/** Remembers which of our binding ids stands for which recorded one: they must stand for each other for good. */
function sameIds(): (recorded: string, ours: string) => void {
  const [forward, back] = [new Map<string, string>(), new Map<string, string>()]
  return (recorded, ours) => {
    assert.equal(forward.get(recorded) ?? ours, ours, 'the same binding has the same id')
    assert.equal(back.get(ours) ?? recorded, recorded, 'different bindings have different ids')
    forward.set(recorded, ours)
    back.set(ours, recorded)
  }
}

/** Equal to the letter, but for what must differ: row ids, sequence numbers, commit times, binding ids. */
function sameFrame(ours: string, recorded: string, ids: (recorded: string, ours: string) => void): void {
  const cut = recorded.indexOf('…')
  const [left, right] = [masked(ours), masked(cut < 0 ? recorded : recorded.slice(0, cut))]
  if (cut < 0) assert.equal(left, right)
  else assert.equal(left.slice(0, right.length), right)
  const [mine, theirs] = [bindingIds(ours), bindingIds(recorded)]
  if (cut < 0) assert.equal(mine.length, theirs.length)
  if (mine.length === 1 || ours.includes('phx_reply'))
    theirs.forEach((id, at) => void ids(id, mine[at] ?? ''))
}

function masked(frame: string): string {
  return frame
    .replace(/"id": "[0-9a-f-]{36}"/g, '"id": "…"')
    .replace(/"seq": \d+/g, '"seq": …')
    .replace(/"commit_timestamp":"[\d-]{10}T[\d:]{8}\.\d{3}Z"/g, '"commit_timestamp":"…"')
    .replace(/"id":\d+/g, '"id":…')
    .replace(/"ids":\[[\d,]+\]/g, '"ids":[…]')
}

function bindingIds(frame: string): string[] {
  const inReply = [...frame.matchAll(/"id":(\d+)/g)].map(match => match[1] ?? '')
  return [...inReply, ...(/"ids":\[([\d,]+)\]/.exec(frame)?.[1]?.split(',') ?? [])]
}
