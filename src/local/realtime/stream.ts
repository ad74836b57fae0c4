import type { Pgoutput } from 'pg-logical-replication'
import type { Log } from '../../log.ts'
import { commitTimestamp, type Relation, readChange } from './changes.ts'
import { type Clock, later } from './clock.ts'
import { MARK_PREFIX, type RealtimeDatabase } from './database.ts'
import type { Marks } from './marks.ts'
import type { Subscriptions } from './subscriptions.ts'

export interface StreamOptions {
  readonly database: RealtimeDatabase
  readonly marks: Marks
  readonly subscriptions: Subscriptions
  readonly clock: Clock
  readonly log: Log
  readonly pollMs: number
}

/** Makes changes of the messages of the stream, with what the catalogs know of their tables, and hands them out. */
export function createStream(options: StreamOptions): { handle(message: Pgoutput.Message): Promise<void> } {
  const relations = new Map<number, Relation>()
  let committedAt = ''

  async function take(message: Pgoutput.Message): Promise<void> {
    switch (message.tag) {
      case 'begin': {
        const microseconds = Number(message.commitTime)
        committedAt = commitTimestamp(microseconds)
        return untilPoll(microseconds / 1000)
      }
      case 'relation':
        relations.set(message.relationOid, await describe(message))
        return options.subscriptions.forgetAccess()
      case 'insert':
      case 'update':
      case 'delete': {
        const relation = relations.get(message.relation.relationOid)
        if (relation !== undefined)
          await options.subscriptions.deliver(readChange(message, relation, committedAt))
        return
      }
      case 'message':
        if (message.prefix === MARK_PREFIX) options.marks.seen(Buffer.from(message.content).toString('utf8'))
        return
      default:
      // The ends of transactions, types, origins; TRUNCATE, of which the real server says nothing either.
    }
  }

  async function describe(message: Pgoutput.MessageRelation): Promise<Relation> {
    return {
      oid: message.relationOid,
      schema: message.schema,
      table: message.name,
      columns: message.columns.map(column => column.name),
      facts: await options.database.tableFacts(message.relationOid),
    }
  }

  /** All that was committed between two polls comes out at the second one. */
  function untilPoll(committed: number): Promise<void> {
    const due = options.pollMs > 0 ? Math.ceil(committed / options.pollMs) * options.pollMs : 0
    return new Promise(resolve => later(options.clock, due - options.clock.now(), resolve))
  }

  return {
    async handle(message) {
      try {
        await take(message)
      } catch (error) {
        // Most likely the database is going away; delivery is at most once, as with the real server.
        options.log.warn({ err: error }, 'realtime: a change could not be handed out')
      }
    },
  }
}
