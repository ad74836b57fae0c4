import type { DaemonsReport } from './daemons.ts'
import type { Asked } from './measure-queries.ts'
import type { MemoryReport } from './memory.ts'
import type { RealtimeReport } from './realtime.ts'

type Cell = string | number

function markdown(head: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n')
}

export function queriesTable(asked: readonly Asked[]): string {
  const sizes = [...new Set(asked.map(({ rows }) => rows))]
  const names = [...new Set(asked.map(({ query }) => query))]
  const at = (rows: number) => rows.toLocaleString('en')
  return markdown(
    [
      '',
      ...sizes.map(rows => `ms at ${at(rows)}`),
      'ratio',
      ...sizes.map(rows => `pages at ${at(rows)}`),
      'rows read',
    ],
    names.map(name => {
      const found = asked.filter(({ query }) => query === name)
      const last = found.at(-1)
      return [
        name,
        ...found.map(({ medianMs }) => medianMs.toFixed(2)),
        last?.ratio?.toFixed(2) ?? '',
        ...found.map(({ pages }) => pages),
        last?.rowsRead ?? '',
      ]
    }),
  )
}

export function memoryTable(memory: MemoryReport): string {
  const waiting = `${memory.pending.toLocaleString('en')} rows wait`
  const line = (what: string, mb: number, without: number): Cell[] => [what, mb, rounded(mb - without)]
  return markdown(
    ['a daemon with 8 lanes', 'MB', 'more than with none'],
    [
      ['nothing waits', memory.empty_mb, ''],
      line(`${waiting}, WhatsApp is down`, memory.pending_down_mb, memory.empty_mb),
      ['nothing waits, at work (peak)', memory.empty_working_mb, ''],
      line(`${waiting}, at work (peak)`, memory.pending_working_mb, memory.empty_working_mb),
    ],
  )
}

export const daemonsTable = (reports: readonly DaemonsReport[]): string =>
  markdown(
    ['daemons', 'files/s', 'claims/s', 'rows each', 'empty', 'settles/s', 'files of one', 'not once'],
    reports.map(report => [
      report.daemons,
      Math.round(report.per_s),
      report.claim_calls_per_s,
      report.rows_per_claim,
      `${(report.empty_claims * 100).toFixed(1)} %`,
      report.settle_calls_per_s,
      `${report.least} to ${report.most}`,
      report.not_once,
    ]),
  )

export const realtimeTable = (reports: readonly RealtimeReport[]): string =>
  markdown(
    ['events/s', 'rows', 'announced', 'counted as missed', 'uploaded', 'p50 s', 'p99 s', 'worst s'],
    reports.map(report => [
      report.events_per_s,
      report.rows,
      report.announced,
      report.missed,
      report.uploaded,
      report.p50_s,
      report.p99_s,
      report.worst_s,
    ]),
  )

const rounded = (value: number): number => Number(value.toFixed(1))
