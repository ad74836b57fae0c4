import { parseArgs } from 'node:util'
import { UserError } from '../../src/errors.ts'
import { MIXES, type MixName } from './mix.ts'
import { SYSTEMS, type SystemName } from './work.ts'

export interface Options {
  readonly systems: readonly SystemName[]
  readonly mixes: readonly MixName[]
  readonly concurrencies: readonly number[]
  readonly rounds: number
  /** About how long raw takes for a case; the others carry as many. */
  readonly seconds: number
  readonly json: boolean
  /** Nothing was left out: good enough for the README's charts. */
  readonly whole: boolean
}

export const HELP = `npm run bench -- [--only WORD,…] [--rounds N] [--seconds N] [--json]

  --only      systems (${SYSTEMS.join(', ')}), mixes (${MIXES.join(', ')})
              and numbers of lanes; what is not named of a kind is all of it. Without
              it the charts of the README are drawn
  --rounds    3; the systems take turns, in the other order every second round
  --seconds   10; how long raw takes for a case, and all others carry as many
  --json      the last line is the result as JSON
`

const CONCURRENCIES = [1, 8, 32, 64]

/** Throws a UserError for what it does not know. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
    },
  })
  const words = values.only.flatMap(text => text.split(',')).filter(word => word !== '')
  const numbers = words.filter(word => /^\d+$/.test(word)).map(Number)
  const systems = SYSTEMS.filter(name => words.includes(name))
  const mixes = MIXES.filter(name => words.includes(name))
  const unknown = words.find(
    word => !/^\d+$/.test(word) && ![...SYSTEMS, ...MIXES].some(name => name === word),
  )
  if (unknown !== undefined) throw new UserError(`--only does not know ${unknown}.`, { hint: HELP })
  return {
    systems: systems.length === 0 ? SYSTEMS : systems,
    mixes: mixes.length === 0 ? MIXES : mixes,
    concurrencies: numbers.length === 0 ? CONCURRENCIES : numbers,
    rounds: positive('--rounds', values.rounds),
    seconds: positive('--seconds', values.seconds),
    json: values.json,
    whole: words.length === 0,
  }
}

export function positive(name: string, text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new UserError(`${name} must be a number above 0, not ${text}.`)
}
