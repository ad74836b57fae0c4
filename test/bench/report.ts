import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { PACKAGE_ROOT } from '../../src/local/prepare.ts'
import type { Result } from './measure.ts'
import type { MixName } from './mix.ts'
import { median, rounded } from './statistics.ts'
import type { SystemName } from './work.ts'

/** What one system did in one mix at one concurrency, round by round. */
export interface Measurement {
  readonly system: SystemName
  readonly mix: MixName
  readonly concurrency: number
  readonly rounds: readonly Result[]
}

/** The medians over the rounds, under the names that other programs read. */
export interface CaseFigures {
  readonly system: SystemName
  readonly mix: MixName
  readonly concurrency: number
  readonly per_s: number
  readonly mb_s: number
  readonly cpu_ms_each: number
  readonly db_calls_each: number
  readonly peak_rss_mb: number
  /** Of the attachments a second, round against round; null when raw was not measured. */
  readonly ratio_to_raw: number | null
}

export interface Report {
  readonly machine: string
  readonly commit: string
  readonly cases: readonly CaseFigures[]
}

/** What the figures were made on. Says nothing of whose machine it is. */
export function machine(): string {
  const [first] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${first?.model.trim()}, ${cpus().length} cores, ${memory} GB, Linux ${release().split('-')[0]}, Node ${process.versions.node}`
}

export function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: PACKAGE_ROOT, encoding: 'utf8' }).trim()
  try {
    return (
      git('rev-parse', '--short=10', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes')
    )
  } catch {
    return 'unknown'
  }
}

export function figures(measurements: readonly Measurement[]): CaseFigures[] {
  return measurements.map(({ system, mix, concurrency, rounds }) => {
    const middle = (pick: (result: Result) => number, digits: number) =>
      rounded(median(rounds.map(pick)), digits)
    const raw = measurements.find(
      other => other.system === 'raw' && other.mix === mix && other.concurrency === concurrency,
    )
    const ratios = rounds.flatMap(({ perS }, round) => {
      const limit = raw?.rounds[round]?.perS
      return limit === undefined ? [] : [perS / limit]
    })
    return {
      system,
      mix,
      concurrency,
      per_s: middle(({ perS }) => perS, 1),
      mb_s: middle(({ mbS }) => mbS, 1),
      cpu_ms_each: middle(({ cpuMsEach }) => cpuMsEach, 3),
      db_calls_each: middle(({ dbCallsEach }) => dbCallsEach, 3),
      peak_rss_mb: middle(({ peakRssMb }) => peakRssMb, 0),
      ratio_to_raw: ratios.length === 0 ? null : rounded(median(ratios), 3),
    }
  })
}

/** A table for each mix, in Markdown. */
export function markdown({ machine, commit, cases }: Report): string {
  const mixes = [...new Set(cases.map(({ mix }) => mix))]
  const tables = mixes.map(mix => {
    const rows = cases
      .filter(found => found.mix === mix)
      .map(found => {
        const raw = cases.find(
          ({ system, mix, concurrency }) =>
            system === 'raw' && mix === found.mix && concurrency === found.concurrency,
        )
        const cpuRatio = raw === undefined ? '' : ` (${(found.cpu_ms_each / raw.cpu_ms_each).toFixed(2)} ×)`
        const cells = [
          found.concurrency,
          found.system,
          Math.round(found.per_s),
          Math.round(found.mb_s),
          found.ratio_to_raw?.toFixed(2) ?? '',
          found.cpu_ms_each.toFixed(2) + cpuRatio,
          found.db_calls_each.toFixed(2),
          found.peak_rss_mb,
        ]
        return `| ${cells.join(' | ')} |`
      })
    return [
      `**${mix}**`,
      '',
      '| lanes | | files/s | MB/s | of raw | CPU ms each | database calls each | peak MB |',
      '|--:|---|--:|--:|--:|--:|--:|--:|',
      ...rows,
    ].join('\n')
  })
  return [...tables, `${machine}; commit ${commit}.`].join('\n\n')
}

/** In how many rounds mediaferry was ahead of graphile-worker, where both were measured. */
export function races(measurements: readonly Measurement[]): string[] {
  return measurements.flatMap(({ system, mix, concurrency, rounds }) => {
    if (system !== 'mediaferry') return []
    const other = measurements.find(
      found => found.system === 'graphile-worker' && found.mix === mix && found.concurrency === concurrency,
    )
    if (other === undefined) return []
    const won = rounds.filter(({ perS }, round) => perS > (other.rounds[round]?.perS ?? 0)).length
    return [`${mix}, ${concurrency} lanes: ahead of graphile-worker in ${won} of ${rounds.length} rounds`]
  })
}
