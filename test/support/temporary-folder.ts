import { chmodSync, mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MEMORY = '/dev/shm'
/** A whole test run has about 1 GB in it; Docker gives a container 64 MB unless told otherwise. */
const ROOM = 3 * 2 ** 30

/**
 * A new folder for a PostgreSQL that is thrown away, which others may enter (as root it runs as somebody else). In
 * memory where there is room: a database is 600 files, and to make them costs 0.3 s of CPU on ext4 and 0.03 s there.
 */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(hasRoom() ? MEMORY : tmpdir(), `mediaferry-${name}-`))
  chmodSync(folder, 0o755)
  return folder
}

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize >= ROOM
  } catch {
    // Only Linux has it.
    return false
  }
}
