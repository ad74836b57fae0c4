import type { SystemEvent } from './database.ts'

/**
 * Events that must be told although the database may be away at the moment: its own outage is one of them. Kept
 * in order and told together as soon as it answers; beyond `MOST` the oldest are dropped.
 */
export interface EventQueue {
  /** Never rejects. */
  tell(event: SystemEvent): Promise<void>
}

const MOST = 200

export function createEventQueue(record: (events: readonly SystemEvent[]) => Promise<void>): EventQueue {
  let waiting: SystemEvent[] = []
  let telling: Promise<void> | null = null

  async function tellAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        await record(batch)
      } catch {
        // It is told again with the next event; that of the outage's end comes when the database answers.
        waiting = [...batch, ...waiting].slice(-MOST)
        return
      }
    }
  }

  return {
    tell: event => {
      waiting.push(event)
      telling ??= tellAll().finally(() => {
        telling = null
      })
      return telling
    },
  }
}
