import { styleText } from 'node:util'
import bytes from 'bytes'
import Table from 'cli-table3'
import { tidyText } from '../errors.ts'

/** How output is made: a table and colours for a person at a terminal, plain columns in a pipe. */
export interface Look {
  readonly terminal: boolean
  /** Colours for a terminal that has them; NO_COLOR, FORCE_COLOR and the like decide, as Node reads them. */
  paint(format: Paint, text: string): string
  /** Rows under a head, without an end of line. A number is told by its column's name in `right`. */
  table(head: readonly string[], rows: readonly (readonly string[])[], right?: readonly string[]): string
}

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

export function lookOf(stream: NodeJS.WriteStream): Look {
  const terminal = stream.isTTY === true
  const paint = (format: Paint, text: string) => styleText(format, text, { stream })
  return {
    terminal,
    paint,
    table: (head, rows, right = []) => {
      const aligned = head.map(name => right.includes(name))
      return terminal
        ? drawn(
            head.map(name => paint('bold', name)),
            rows,
            aligned,
          )
        : columns([head, ...rows], aligned)
    },
  }
}

function drawn(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[],
): string {
  const table = new Table({
    head: [...head],
    colAligns: right.map(yes => (yes ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  })
  table.push(...rows.map(row => [...row]))
  return table.toString()
}

function columns(rows: readonly (readonly string[])[], right: readonly boolean[]): string {
  const widths = right.map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)))
  return rows
    .map(row =>
      row
        .map((cell, at) =>
          right[at] === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/**
 * A text of others (a caption, a name) in one line, cut at `limit`: no end of line, no control character, and none
 * that turns the direction of what follows.
 */
export function oneLine(text: string, limit = 60): string {
  const flat = tidyText(text)
    .replace(/[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '')
    .replace(/\s+/g, ' ')
    .trim()
  const points = Array.from(flat)
  return points.length <= limit ? flat : `${points.slice(0, limit - 1).join('')}…`
}

/** `1.5MB`; as in the settings, 1 MB is 2^20 bytes. */
export const sizeText = (count: number): string => bytes.format(count) ?? String(count)

/** A moment of the database's, to the second, in UTC. */
export function moment(iso: string): string {
  const date = new Date(iso)
  return Number.isNaN(date.getTime())
    ? oneLine(iso)
    : date
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d+Z$/, 'Z')
}
