import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { describeError } from '../../errors.ts'
import { sizeText } from '../terminal.ts'
import { failure, ok, type Verdict, warning } from './finding.ts'

/** What the daemon's state file has around it: free bytes, or why that folder is of no use. */
export type Room = { readonly folder: string } & (
  | { readonly freeBytes: number; readonly trouble?: undefined }
  | { readonly trouble: string }
)

export async function readRoom(stateFile: string): Promise<Room> {
  const folder = dirname(resolve(stateFile))
  try {
    await access(folder, constants.W_OK)
    const { bavail, bsize } = await statfs(folder)
    return { folder, freeBytes: bavail * bsize }
  } catch (error) {
    return { folder, trouble: describeError(error) }
  }
}

const MB = 2 ** 20
/** The state file takes a few megabytes; PM2's logs, on most machines on the same disk, take the rest. */
const TIGHT = 500 * MB
const FULL = 20 * MB

export function diskVerdict(room: Room): Verdict {
  if (room.trouble !== undefined) {
    return failure(
      `The folder of STATE_FILE cannot be written: ${room.trouble}`,
      `mkdir -p ${room.folder}, writable for the user of the daemon`,
    )
  }
  const found = `${sizeText(room.freeBytes)} free in ${room.folder}`
  const fix = 'Free some space: `du -xh --max-depth=2 / | sort -h | tail`; PM2 keeps its logs in ~/.pm2/logs.'
  if (room.freeBytes < FULL) return failure(`The disk is full: ${found}.`, fix)
  return room.freeBytes < TIGHT ? warning(`The disk is nearly full: ${found}.`, fix) : ok(found)
}

/** `mode`: of the file `.env`, or null when there is none. */
export function settingsVerdict(mode: number | null): Verdict {
  return mode !== null && (mode & 0o077) !== 0 && process.platform !== 'win32'
    ? warning('complete, but other users of this machine may read .env', 'chmod 600 .env')
    : ok('complete')
}

export async function modeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ mode }) => mode,
    () => null,
  )
}
