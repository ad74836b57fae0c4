import { schemaFault } from '../database/schema-version.ts'
import { UserError } from '../errors.ts'
import { environment, readSettings, supabaseOf } from '../settings.ts'
import { asTyped } from './called.ts'
import { overviewLine, overviewText } from './status/overview.ts'
import { type Overview, openStatus, type Story } from './status/read.ts'
import { eventLine, storyText } from './status/story.ts'
import { type WatchOptions, watch } from './status/watch.ts'
import { stopSignal } from './stop-signal.ts'
import { type Look, lookOf, moment } from './terminal.ts'

export interface StatusOptions {
  readonly json?: true
  readonly watch?: true
  /** How many of the newest attachments. */
  readonly newest: number
}

const EVERY_MS = 1000

/**
 * `mediaferry status`: where all attachments are, who is at work, and the newest files; `mediaferry status ID`: one of
 * them with its story. Throws a UserError for an id that is none.
 */
export async function status(id: number | undefined, options: StatusOptions): Promise<void> {
  const settings = readSettings(environment(), ['supabase'])
  const reader = openStatus(supabaseOf(settings), settings.CANARY_INTERVAL)
  const look = lookOf(process.stdout)
  try {
    const fault = schemaFault(await reader.schemaVersion())
    if (fault !== undefined) process.stderr.write(asTyped(`warning: ${fault.message}\n${fault.hint}\n`))
    if (id === undefined) await follow(options, () => reader.overview(options.newest), allOf(look))
    else await follow(options, () => known(reader.story(id), id), oneOf(look))
  } finally {
    await reader.close()
  }
}

type View<Answer> = Pick<WatchOptions<Answer>, 'draw' | 'lines'> & {
  readonly json: (answer: Answer) => unknown
}

async function follow<Answer>(
  options: StatusOptions,
  read: () => Promise<Answer>,
  { draw, lines, json }: View<Answer>,
): Promise<void> {
  if (options.watch !== true) {
    const answer = await read()
    process.stdout.write(`${options.json === true ? JSON.stringify(json(answer)) : draw(answer)}\n`)
    return
  }
  const stop = new AbortController()
  process.stdout.on('error', () => stop.abort())
  void stopSignal({ withTerminal: true }).then(() => stop.abort())
  const asJson = (answer: Answer, before: Answer | undefined) => {
    const line = JSON.stringify(json(answer))
    return before !== undefined && line === JSON.stringify(json(before)) ? [] : [line]
  }
  await watch({
    read,
    draw,
    lines: options.json === true ? asJson : lines,
    output: process.stdout,
    redraw: process.stdout.isTTY === true && options.json !== true,
    everyMs: EVERY_MS,
    signal: stop.signal,
  })
}

const allOf = (look: Look): View<Overview> => ({
  draw: answer => asTyped(overviewText(answer, look)),
  lines: (answer, before) => {
    const line = overviewLine(answer)
    if (before !== undefined && line === overviewLine(before)) return []
    return [`${moment(new Date().toISOString())}  ${line}`]
  },
  json: ({ summary, newest }) => ({ ...summary, newest }),
})

const oneOf = (look: Look): View<Story> => ({
  draw: story => asTyped(storyText(story, look, Date.now())),
  lines: ({ events, attachment }, before) => {
    const told = before?.events.at(-1)?.id ?? 0
    const state =
      attachment.upload_status === before?.attachment.upload_status ? [] : [attachment.upload_status]
    return [...events.filter(event => event.id > told).map(event => eventLine(event, look).trim()), ...state]
  },
  json: ({ attachment, lead, events }) => ({ attachment, lead, events }),
})

async function known(asked: Promise<Story | undefined>, id: number): Promise<Story> {
  const story = await asked
  if (story !== undefined) return story
  throw new UserError(`There is no attachment ${id}.`, { hint: '`mediaferry status` lists the newest.' })
}
