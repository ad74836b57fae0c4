import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { CaseFigures, Report } from './report.ts'

/** Where the README finds them. */
export const CHARTS = join(import.meta.dirname, 'charts')

/** One drawing for each mix, and one of the CPU time at 200 KB. Answers their paths. */
export async function drawCharts(report: Report): Promise<string[]> {
  mkdirSync(CHARTS, { recursive: true })
  const mixes = [...new Set(report.cases.map(({ mix }) => mix))]
  const paths: string[] = []
  for (const mix of mixes) {
    const cases = report.cases.filter(found => found.mix === mix)
    paths.push(
      await draw(`${mix.toLowerCase()}-files`, report, cases, 'per_s', `Files a second, ${mix}`),
      await draw(`${mix.toLowerCase()}-cpu`, report, cases, 'cpu_ms_each', `CPU milliseconds each, ${mix}`),
    )
  }
  return paths
}

async function draw(
  name: string,
  { machine, commit }: Report,
  cases: readonly CaseFigures[],
  field: 'per_s' | 'cpu_ms_each',
  title: string,
): Promise<string> {
  const systems = [...new Set(cases.map(({ system }) => system))]
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    title: { text: title, subtitle: `${machine}; commit ${commit}`, subtitleFontSize: 9, anchor: 'start' },
    width: { step: 22 },
    height: 220,
    data: { values: cases.map(found => ({ ...found, lanes: `${found.concurrency}` })) },
    mark: { type: 'bar' },
    encoding: {
      x: {
        field: 'lanes',
        type: 'ordinal',
        title: 'lanes',
        sort: { field: 'concurrency' },
        axis: { labelAngle: 0 },
      },
      xOffset: { field: 'system', sort: systems },
      y: { field, type: 'quantitative', title: null },
      color: { field: 'system', type: 'nominal', title: null, sort: systems, scale: { scheme: 'tableau10' } },
    },
  }
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  const path = join(CHARTS, `${name}.svg`)
  writeFileSync(path, `${await view.toSVG()}\n`)
  view.finalize()
  return path
}
