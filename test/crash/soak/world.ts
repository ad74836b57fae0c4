import { setTimeout as wait } from 'node:timers/promises'
import type { QueryResult } from 'pg'
import type { TestProject } from '../../support/project.ts'

/** What everybody in a soak works with. */
export interface World {
  readonly project: TestProject
  /** Aborted when it is given up; everybody's next wait then throws. */
  readonly signal: AbortSignal
  /** Ends every connection of the database, or the database itself, and brings it back. */
  readonly breakDatabase: () => Promise<void>
  readonly count: Count
  /** What must not be. */
  readonly violations: string[]
}

export interface Count {
  kills: number
  freezes: number
  outages: number
  /** Messages that were delivered. */
  sent: number
}

export const pause = (world: World, ms: number): Promise<void> =>
  wait(ms, undefined, { signal: world.signal })

/** Asks again while the database is away. */
export async function ask(world: World, text: string): Promise<QueryResult> {
  for (;;) {
    try {
      return await world.project.database.query(text)
    } catch {
      await pause(world, 100)
    }
  }
}

export async function openRows(world: World): Promise<number> {
  const { rows } = await ask(
    world,
    `select count(*)::int as open from public.attachments where upload_status in ('PENDING', 'UPLOADING')`,
  )
  return rows[0]?.open
}

/** Rows that have cost daemons two leases or more wait up to eight minutes: nobody here has to wait for that. */
export async function endPauses(world: World): Promise<void> {
  await ask(
    world,
    `update public.attachments
     set leased_until = leased_until - interval '8 minutes', updated_at = now() - interval '8 minutes'
     where upload_status = 'UPLOADING' and coalesce(leased_until, '-infinity') <= now()
       and updated_at > now() - interval '8 minutes'`,
  )
}
