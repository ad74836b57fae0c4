import { createModelDatabase, ModelError, type ModelTransaction } from '../model/database.ts'
import type { Side } from './side.ts'

/** A new model. Every transaction begins a millisecond after the one before. */
export function modelSide(): Side {
  let hour = Date.UTC(2030, 0, 1)
  let ticks = 0
  const model = createModelDatabase({ now: () => hour + ++ticks })
  const open = new Map<number, ModelTransaction>()

  return {
    call: async (on, name, args) => {
      try {
        return { answer: (open.get(on) ?? model).call(name, args) }
      } catch (error) {
        if (error instanceof ModelError) return { sqlstate: error.sqlstate }
        throw error
      }
    },
    begin: async on => {
      open.set(on, model.begin())
    },
    end: async (on, how) => {
      open.get(on)?.[how]()
      open.delete(on)
    },
    advance: async seconds => {
      hour += seconds * 1000
    },
    hour: () => hour,
    tables: async () =>
      JSON.parse(
        JSON.stringify({
          attachments: model.rows(),
          events: model.events(),
          leads: model.leads(),
          messages: model.messages(),
          rejects: model.rejects(),
          control: [model.control()],
          canaries: model.canaries(),
        }),
      ),
  }
}
