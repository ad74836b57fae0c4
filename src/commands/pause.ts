import { hostname, userInfo } from 'node:os'
import { openDatabase } from '../database/database.ts'
import { environment, readSettings, supabaseOf } from '../settings.ts'
import { asTyped } from './called.ts'

/** `mediaferry pause` and `resume`: whether any daemon may claim. What is under way is finished. */
export async function setPaused(paused: boolean, reason: string | null): Promise<void> {
  const database = openDatabase(supabaseOf(readSettings(environment(), ['supabase'])))
  try {
    await database.setPaused(paused, whoAsks(), reason)
    process.stdout.write(
      paused ? asTyped('Paused: nothing new is claimed until `mediaferry resume`\n') : 'Claiming goes on\n',
    )
  } finally {
    await database.close()
  }
}

/** A container's user need not have a name. */
export function whoAsks(): string {
  try {
    return userInfo().username
  } catch {
    return hostname()
  }
}
