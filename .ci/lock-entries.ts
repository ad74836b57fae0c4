/**
 * What a lock file lacks when the registry it was written against did not carry every platform's build of
 * a package. npm leaves such optional dependencies out without a word; `npm ci` then refuses the lock file
 * ("Missing: … from lock file") on some machines and installs no binary on others.
 */

/** The part of package-lock.json (lockfileVersion 3) that matters here. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>
}

export interface LockEntry {
  readonly version?: string
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The entry of one build, as npm would have written it, without the registry's `integrity`. */
export interface PlatformEntry {
  readonly version: string
  readonly cpu: readonly string[]
  readonly dev?: true
  readonly libc?: readonly string[]
  readonly optional: true
  readonly os: readonly string[]
}

/** For what platform a package is built: npm's words for `cpu`, `os` and `libc`. */
export interface Platform {
  readonly cpu: readonly string[]
  readonly os: readonly string[]
  readonly libc?: readonly string[]
}

export interface Missing {
  /** Its place in the lock file, like `node_modules/@deno/win32-x64`. */
  readonly path: string
  readonly name: string
  /** What the package asks for: an exact version, or a range, which only a registry could answer. */
  readonly wanted: string
  /** Undefined when it cannot be worked out from the name and the wanted version. */
  readonly entry: PlatformEntry | undefined
}

const OPERATING_SYSTEMS: Readonly<Record<string, string>> = {
  aix: 'aix',
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  win32: 'win32',
  windows: 'win32',
}

const PROCESSORS = new Set('arm arm64 ia32 loong64 mips64el ppc64 riscv64 s390x x64'.split(' '))

const LIBRARIES: Readonly<Record<string, string>> = {
  glibc: 'glibc',
  gnu: 'glibc',
  musl: 'musl',
}

/** Every optional dependency that some package of the lock file names and the lock file does not hold. */
export function missingEntries(lock: Lock): Missing[] {
  return Object.entries(lock.packages).flatMap(([parent, { optionalDependencies = {}, ...flags }]) =>
    Object.entries(optionalDependencies)
      .filter(([name, wanted]) => !isHeld(lock, parent, name, wanted))
      .map(([name, wanted]) => ({
        path: freePlace(lock, parent, name),
        name,
        wanted,
        entry: entryFor(name, wanted, flags.dev === true, Object.keys(optionalDependencies)),
      })),
  )
}

/** The same lock file with these entries in npm's own order. Those that could not be worked out stay out. */
export function completed<L extends Lock>(lock: L, missing: readonly Missing[]): L {
  const additions = missing.flatMap(({ path, entry }) =>
    entry === undefined ? [] : [[path, entry] as const],
  )
  const packages = [...Object.entries(lock.packages), ...additions].sort(([a], [b]) =>
    a.localeCompare(b, 'en'),
  )
  return { ...lock, packages: Object.fromEntries(packages) }
}

/** Reads the platform from names like `@deno/linux-x64-glibc`, `@supabase/cli-windows-arm64`. */
export function platformOf(name: string, siblings: readonly string[]): Platform | undefined {
  const words = name.slice(name.indexOf('/') + 1).split('-')
  const os = words.map(word => OPERATING_SYSTEMS[word]).find(found => found !== undefined)
  const cpu = words.find(word => PROCESSORS.has(word))
  if (os === undefined || cpu === undefined) return undefined
  const named = words.map(word => LIBRARIES[word]).find(found => found !== undefined)
  // A plain `…-linux-x64` next to a `…-linux-x64-musl` is the one for glibc.
  const libc = named ?? (os === 'linux' && siblings.includes(`${name}-musl`) ? 'glibc' : undefined)
  return { cpu: [cpu], os: [os], ...(libc === undefined ? {} : { libc: [libc] }) }
}

function entryFor(
  name: string,
  version: string,
  dev: boolean,
  siblings: readonly string[],
): PlatformEntry | undefined {
  const platform = platformOf(name, siblings)
  if (platform === undefined || !/^\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$/.test(version)) return undefined
  const { cpu, libc, os } = platform
  return {
    version,
    cpu,
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc }),
    optional: true,
    os,
  }
}

/** As Node finds a package: in the parent's own node_modules, then in each one above it. */
function isHeld(lock: Lock, parent: string, name: string, wanted: string): boolean {
  const nearest = places(parent, name).find(path => lock.packages[path] !== undefined)
  if (nearest === undefined) return false
  // Versions of builds are pinned: another one, left by an update of the parent, is as good as none.
  return entryFor(name, wanted, false, []) === undefined || lock.packages[nearest]?.version === wanted
}

/** At the top when that is free or nobody asks for what is there (an update left it), as npm hoists. */
function freePlace(lock: Lock, parent: string, name: string): string {
  const top = `node_modules/${name}`
  const holds = lock.packages[top]?.version
  const asked = Object.values(lock.packages).some(entry => entry.optionalDependencies?.[name] === holds)
  return holds === undefined || !asked ? top : `${parent}/${top}`
}

function places(parent: string, name: string): string[] {
  const found = [`node_modules/${name}`]
  for (let at = parent; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    found.push(`${at}/node_modules/${name}`)
  }
  return found.sort((a, b) => b.length - a.length)
}
