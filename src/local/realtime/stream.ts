import type { Pgoutput } from 'pg-logical-replication'
import type { Log } from '../../log.ts'
import { commitTimestamp, type Relation, readChange } from './changes.ts'
import { type Clock, later } from './clock.ts'
import { MARK_PREFIX, type RealtimeDatabase } from './database.ts'
import type { Marks } from './marks.ts'
import type { StreamMessage } from './rows.ts'
import type { Subscriptions } from './subscriptions.ts'

export interface StreamOptions {
  readonly database: RealtimeDatabase
  readonly marks: Marks
  readonly subscriptions: Subscriptions
  readonly clock: Clock
  readonly log: Log
  readonly pollMs: number
}

/**
 * Makes changes of the messages of the stream, with what the catalogs know of their tables, and hands them out. What
 * it answers is to be waited for before the next message; mostly there is nothing to wait for.
 */
export function createStream(options: StreamOptions): {
  handle(message: StreamMessage): Promise<void> | undefined
} {
  const { subscriptions } = options
  const relations = new Map<number, Relation>()
  let committedAt = ''

  function take(message: StreamMessage): Promise<void> | undefined {
    switch (message.tag) {
      case 'begin': {
        const microseconds = Number(message.commitTime)
        committedAt = commitTimestamp(microseconds)
        return untilPoll(microseconds / 1000)
      }
      case 'relation':
        return learn(message)
      case 'row': {
        const relation = relations.get(message.relationOid)
        if (relation === undefined || !subscriptions.wants(message.type, relation)) return undefined
        return subscriptions.deliver(readChange(message, relation, committedAt))
      }
      case 'message':
        if (message.prefix === MARK_PREFIX) options.marks.seen(Buffer.from(message.content).toString('utf8'))
        return undefined
      default:
        // The ends of transactions, types, origins; TRUNCATE, of which the real server says nothing either.
        return undefined
    }
  }

  async function learn(message: Pgoutput.MessageRelation): Promise<void> {
    relations.set(message.relationOid, {
      oid: message.relationOid,
      schema: message.schema,
      table: message.name,
      columns: new Map(message.columns.map(({ name }, place) => [name, place])),
      facts: await options.database.tableFacts(message.relationOid),
    })
    subscriptions.forgetAccess()
  }

  /** All that was committed between two polls comes out at the second one. */
  function untilPoll(committed: number): Promise<void> | undefined {
    if (options.pollMs <= 0) return undefined
    const due = Math.ceil(committed / options.pollMs) * options.pollMs
    return new Promise(resolve => later(options.clock, due - options.clock.now(), resolve))
  }

  // Most likely the database is going away; delivery is at most once, as with the real server.
  const lost = (error: unknown): void =>
    options.log.warn({ err: error }, 'realtime: a change could not be handed out')

  return {
    handle(message) {
      try {
        return take(message)?.catch(lost)
      } catch (error) {
        lost(error)
        return undefined
      }
    },
  }
}
