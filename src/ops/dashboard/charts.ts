import './language.ts'
import { h, setText } from './dom.ts'
import { bytes, count, hourAndMinute, plural } from './format.ts'
import { onThemeChange } from './theme.ts'
import uPlot from './uplot.js'
import type { Minute } from './wire.ts'

const HEIGHT = 150
/** Round numbers of bytes: 16 MB and not 19.1. */
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power)

export interface ActivityCharts {
  readonly elements: readonly HTMLElement[]
  update(minutes: readonly Minute[]): void
  close(): void
}

/** The last hour, minute by minute: what became of files, and how many bytes were stored. */
export function activityCharts(): ActivityCharts {
  const bars = uPlot.paths.bars?.({ size: [0.72, 14], radius: 0.2 })
  const files = chart('Files', [
    // Drawn from behind: each bar stands for what is below it too.
    { colour: '--bad', fill: '--bad', paths: bars },
    { colour: '--wait', fill: '--wait', paths: bars },
    { colour: '--good', fill: '--good', paths: bars },
  ])
  const volume = chart('Bytes', [
    { colour: '--accent', fill: '--accent-wash', paths: uPlot.paths.spline?.() },
  ])
  return {
    elements: [files.element, volume.element],
    update: minutes => {
      const at = minutes.map(minute => Date.parse(minute.at) / 1000)
      const sum = (pick: (minute: Minute) => number) =>
        minutes.reduce((total, minute) => total + pick(minute), 0)
      files.update(
        [
          at,
          minutes.map(({ uploaded, retried, failed }) => uploaded + retried + failed),
          minutes.map(({ uploaded, retried }) => uploaded + retried),
          minutes.map(({ uploaded }) => uploaded),
        ],
        `${count(sum(minute => minute.uploaded))} arrived · ${count(sum(minute => minute.retried))} tried again · ${count(sum(minute => minute.failed))} failed`,
        index => filesIn(minutes[index]),
      )
      volume.update(
        [at, minutes.map(minute => minute.bytes)],
        `${bytes(sum(minute => minute.bytes))} stored`,
        index => {
          const minute = minutes[index]
          return minute === undefined ? '' : `${hourAndMinute(minute.at)}: ${bytes(minute.bytes)}`
        },
      )
    },
    close: () => {
      files.close()
      volume.close()
    },
  }
}

function filesIn(minute: Minute | undefined): string {
  if (minute === undefined) return ''
  const { at, uploaded, retried, failed } = minute
  return `${hourAndMinute(at)}: ${plural(uploaded, 'file')} arrived, ${retried} tried again, ${failed} failed`
}

interface Series {
  readonly colour: string
  readonly fill: string
  readonly paths: uPlot.Series.PathBuilder | undefined
}

interface Chart {
  readonly element: HTMLElement
  update(data: uPlot.AlignedData, total: string, at: (index: number) => string): void
  close(): void
}

function chart(title: string, series: readonly Series[]): Chart {
  const readout = h('p', { class: 'readout' })
  const place = h('div', { class: 'plot', role: 'img' })
  const element = h(
    'section',
    { class: 'card chart' },
    h(
      'div',
      { class: 'chart-head' },
      h('h2', {}, title, h('span', { class: 'aside' }, 'last hour')),
      readout,
    ),
    place,
  )
  let total = ''
  let describe: (index: number) => string = () => ''
  const colour = (name: string) => () => resolved(element, name)
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  }
  const plot = new uPlot(
    {
      width: 320,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: {
        y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, title === 'Bytes' ? 1024 : 4)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 70,
          size: 28,
          values: (_plot, values) => values.map(value => hourAndMinute(new Date(value * 1000).toISOString())),
        },
        {
          ...axis,
          size: title === 'Bytes' ? 62 : 40,
          ...(title === 'Bytes' ? { incrs: POWERS } : {}),
          space: 36,
          values: (_plot, values) =>
            values.map(value =>
              title === 'Bytes' ? bytes(value) : Number.isInteger(value) ? count(value) : '',
            ),
        },
      ],
      series: [
        {},
        ...series.map(each => ({
          stroke: colour(each.colour),
          fill: colour(each.fill),
          width: 1.5,
          points: { show: false },
          ...(each.paths === undefined ? {} : { paths: each.paths }),
        })),
      ],
      hooks: {
        setCursor: [
          self => setText(readout, typeof self.cursor.idx === 'number' ? describe(self.cursor.idx) : total),
        ],
      },
    },
    [[], ...series.map(() => [])],
    place,
  )
  const watch = new ResizeObserver(([entry]) => {
    if (entry !== undefined && entry.contentRect.width > 0)
      plot.setSize({ width: entry.contentRect.width, height: HEIGHT })
  })
  watch.observe(place)
  const unwatchTheme = onThemeChange(() => plot.redraw())
  return {
    element,
    update: (data, newTotal, at) => {
      total = newTotal
      describe = at
      if (typeof plot.cursor.idx !== 'number') setText(readout, total)
      place.setAttribute('aria-label', `${title} in the last hour: ${total}`)
      plot.setData(data)
    },
    close: () => {
      unwatchTheme()
      watch.disconnect()
      plot.destroy()
    },
  }
}

/** A canvas knows no custom properties and no `light-dark()`: an element has to work the colour out. */
function resolved(element: HTMLElement, name: string): string {
  element.style.setProperty('caret-color', `var(${name})`)
  return getComputedStyle(element).caretColor
}
