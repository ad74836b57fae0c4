import { parseArgs } from 'node:util'
import { UserError } from '../../../src/errors.ts'
import { positive } from '../options.ts'

export type Part = 'queries' | 'memory' | 'daemons' | 'realtime'
export const PARTS: readonly Part[] = ['queries', 'memory', 'daemons', 'realtime']

export interface ScaleOptions {
  readonly parts: readonly Part[]
  /** Sizes of the table for the queries, ascending. */
  readonly rows: readonly number[]
  /** PENDING rows for the daemon's memory. */
  readonly pending: number
  readonly json: boolean
}

export const HELP = `npm run bench:scale -- [--only PART,…] [--rows N,…] [--pending N] [--json]

  --only     ${PARTS.join(', ')}; all of them without it
  --rows     1000,100000,1000000: sizes of the table for the queries. 10000000
             takes about 25 GB of disk and half an hour
  --pending  1000000: waiting rows for the memory of the daemon
  --json     the last line is the result as JSON
`

/** Throws a UserError for what it does not know. */
export function readScaleOptions(args: readonly string[]): ScaleOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rows: { type: 'string', default: '1000,100000,1000000' },
      pending: { type: 'string', default: '1000000' },
      json: { type: 'boolean', default: false },
    },
  })
  const words = values.only.flatMap(text => text.split(',')).filter(word => word !== '')
  const unknown = words.find(word => !PARTS.some(part => part === word))
  if (unknown !== undefined) throw new UserError(`--only does not know ${unknown}.`, { hint: HELP })
  return {
    parts: words.length === 0 ? PARTS : PARTS.filter(part => words.includes(part)),
    rows: values.rows
      .split(',')
      .map(text => wholeNumber('--rows', text, LEAST_ROWS))
      .sort((a, b) => a - b),
    pending: wholeNumber('--pending', values.pending, 1),
    json: values.json,
  }
}

/** With fewer, one in a hundred is too few for a row in each state. */
const LEAST_ROWS = 1000

function wholeNumber(name: string, text: string, least: number): number {
  const value = positive(name, text)
  if (Number.isInteger(value) && value >= least) return value
  throw new UserError(`${name} takes whole numbers from ${least} on, not ${text}.`)
}
