import type { Dependency } from '../../src/attachment.ts'
import type { Random } from './random.ts'
import type { Time } from './time.ts'

/**
 * How a dependency is out of order. `unreachable`, `hang` (no answer, the request may have been carried out), `lost`
 * (carried out, and the answer cut off) and `slow` are the network's; the others are what the service itself answers.
 */
export type OutageKind =
  | 'unreachable'
  | 'hang'
  | 'lost'
  | 'slow'
  | 'error'
  | 'rate'
  | 'refused'
  | 'blind'
  | 'media_host'
  | 'media_error'
  | 'bucket'
  | 'quota'

export interface Outage {
  readonly dependency: Dependency
  readonly kind: OutageKind
  /** Only this process is cut off; null: everybody. */
  readonly process: string | null
  readonly until: number
}

export type Fate = 'carried' | 'refused' | 'lost' | 'hanging'

/** What works at the moment, and what does not. */
export interface Weather {
  begin(outage: Outage): void
  /** The outage that this process meets there now. */
  outage(dependency: Dependency, process: string): Outage | undefined
  /** What becomes of a request that has come this far. */
  fate(dependency: Dependency, process: string, host?: string): Fate
  /** Milliseconds for one way. */
  travel(dependency: Dependency, process: string): number
  /** From now on everything works. */
  clear(): void
}

export function createWeather(
  random: Random,
  time: Time,
  hiccups: number,
  count: (what: string) => void,
): Weather {
  let outages: Outage[] = []
  let calm = false

  function outage(dependency: Dependency, process: string): Outage | undefined {
    return outages.find(
      each =>
        each.dependency === dependency &&
        each.until > time.now() &&
        (each.process === null || each.process === process),
    )
  }

  return {
    begin: each => {
      outages = outages.filter(({ until }) => until > time.now())
      outages.push(each)
    },
    outage,
    fate: (dependency, process, host) => {
      switch (outage(dependency, process)?.kind) {
        case 'unreachable':
          return 'refused'
        case 'lost':
          return 'lost'
        case 'hang':
          return 'hanging'
        case undefined: {
          if (calm || !random.chance(hiccups)) return 'carried'
          const fate = random.pick<Fate>(['refused', 'lost', 'hanging'])
          count(`hiccup ${fate}`)
          return fate
        }
        case 'media_host':
          return host === 'media' ? 'refused' : 'carried'
        default:
          return 'carried'
      }
    },
    travel: (dependency, process) => {
      if (outage(dependency, process)?.kind === 'slow') return random.between(1000, 10_000)
      return !calm && random.chance(0.02) ? random.between(200, 2500) : random.between(1, 60)
    },
    clear: () => {
      calm = true
      outages = []
    },
  }
}
