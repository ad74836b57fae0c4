import type { ClaimKey, Cursor, OutboxEntry } from '../../src/attachment.ts'
import type { StateFile } from '../../src/state/state-file.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

/** What is on a daemon's disk, and outlives it. */
export interface Disk {
  worker: string
  cursor: Cursor | null
  readonly outbox: Map<string, OutboxEntry>
  /** Entries of the outbox that an earlier life has left and nobody has struck out yet. */
  inherited: Set<string>
}

export const emptyDisk = (worker: string): Disk => ({
  worker,
  cursor: null,
  outbox: new Map(),
  inherited: new Set(),
})

/** The state file of one process. A process can be killed right before a write, or right after it. */
export function stateFor(world: World, process: SimulatedProcess, disk: Disk): StateFile {
  const write = (what: string, work: () => void) => {
    if (process.state() === 'dead') return
    world.mayKill(process, `before it wrote ${what}`)
    if (process.state() === 'dead') return
    work()
    world.mayKill(process, `after it wrote ${what}`)
  }
  disk.inherited = new Set(disk.outbox.keys())
  const keyOf = ({ id, claimToken }: ClaimKey) => `${id}-${claimToken}`
  return {
    workerId: disk.worker,
    cursor: {
      load: () => disk.cursor,
      save: cursor =>
        write('the cursor', () => {
          disk.cursor = cursor
        }),
    },
    outbox: {
      put: entries => {
        if (entries.length === 0) return
        write('the outbox', () => {
          for (const entry of entries) disk.outbox.set(keyOf(entry), entry)
        })
      },
      remove: claims => {
        if (claims.length === 0) return
        write('the outbox', () => {
          for (const claim of claims) {
            disk.outbox.delete(keyOf(claim))
            disk.inherited.delete(keyOf(claim))
          }
        })
      },
      list: () => [...disk.outbox.values()],
    },
    close: () => undefined,
  }
}
