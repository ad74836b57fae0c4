import { type Command, InvalidArgumentError, Option } from 'commander'
import ms, { type StringValue } from 'ms'
import { wholeNumber } from './arguments.ts'

/** What keeps the archive whole and small, and answers for single files. */
export function addUpkeepCommands(program: Command): void {
  program.commandsGroup('Keep it in order:')

  program
    .command('url')
    .description('a link to one file that works without a login, for a while')
    .argument('<id>', 'the attachment', wholeNumber)
    .addOption(time('--expires <time>', 'how long it works, up to a year', '1s', '365d', '10m'))
    .option('--download', 'a browser saves it, under the name that the sender gave it')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      examples(
        ['url 108', 'open it in a browser'],
        ['url 108 --expires 7d', 'to be mailed'],
        ['curl -o photo.jpg "$(mediaferry url 108)"', ''],
      ),
    )
    .action(async (id, options) => (await import('../commands/url.ts')).url(id, options))

  program
    .command('verify')
    .description('look at the object of every UPLOADED row; or, with --orphans, for the row of every object')
    .option('--deep', 'download each and compare its SHA-256, not merely that it is there and its size')
    .option('--repair', 'what is missing or wrong is fetched again while Meta still has it')
    .option('--after <id>', 'go on above this attachment', wholeNumber)
    .option('--limit <n>', 'so many at the most', wholeNumber)
    .option('--orphans', 'list objects that no row names; with --repair, remove those that nobody can need')
    .option(
      '--older-than <time>',
      'only orphans of at least this age (1h when left out)',
      period('0s', '365d'),
    )
    .option('--yes', 'do not ask before orphans are removed')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `${examples(
        ['verify', 'is every file there, and as long as it should be?'],
        ['verify --deep --limit 10000', 'a part of it, byte for byte'],
        ['verify --deep --after 51234', 'and the next part'],
        ['verify --repair', 'after somebody emptied the bucket'],
        ['verify --orphans', 'what lies in Storage for nothing'],
        ['verify --orphans --repair --yes', 'and away with it, from cron'],
      )}
Ctrl-C says where to go on. Exit code 0: nothing is wrong, or all of it will be fetched again.
`,
    )
    .action(async options => {
      process.exitCode = await (await import('../commands/verify.ts')).verify(options)
    })

  program
    .command('forget')
    .description('erase a person: files, rows, events, message ids, and rejected payloads that mention them')
    .requiredOption('--lead <id>', 'who; the lead_id of `mediaferry status ID --json`', wholeNumber)
    .option('--yes', 'do not ask')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `${examples(['forget --lead 17', 'says what will be erased, asks, and does it'])}
It waits until no daemon can have one of the files in hand: up to LEASE. Interrupted at any point, the same
command goes on. Message ids stay as keyed hashes, which say nothing, so that a late redelivery is ignored.
`,
    )
    .action(async options => {
      process.exitCode = await (await import('../commands/forget.ts')).forget(options)
    })

  program
    .command('rejected')
    .description('what the webhook could not understand')
    .option('--show <id>', 'one of them, as text', wholeNumber)
    .option('--reprocess', 'read each again, and let go of what is understood now: after an update')
    .option('--limit <n>', 'so many of the newest, up to 500', wholeNumber, 50)
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      examples(
        ['rejected', 'what, why, how often, when'],
        ['rejected --show 3', ''],
        ['rejected --reprocess', 'files that go in are fetched while Meta still has them'],
      ),
    )
    .action(async options => {
      process.exitCode = await (await import('../commands/rejected.ts')).rejected(options)
    })

  program
    .command('prune')
    .description('remove old events, message ids and rejected payloads; never an attachment')
    .addOption(kept('--events <time>', 'keep events so long', '1d', '90d'))
    .addOption(
      kept('--processed <time>', 'keep message ids so long; Meta redelivers for up to 7 days', '8d', '30d'),
    )
    .addOption(kept('--rejected <time>', 'keep rejected payloads so long after they last came', '1d', '90d'))
    .option('--dry-run', 'count and remove nothing')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      `${examples(
        ['prune --dry-run', ''],
        ['prune --events 365d', 'keep the stories for a year'],
        ['0 4 * * 0  mediaferry prune', 'from cron, every Sunday'],
      )}
The story of a file that is still on its way is never touched.
`,
    )
    .action(async options => {
      process.exitCode = await (await import('../commands/prune.ts')).prune(options)
    })
}

const kept = (flags: string, what: string, least: StringValue, otherwise: StringValue): Option =>
  time(flags, what, least, '3650d', otherwise)

function time(
  flags: string,
  what: string,
  least: StringValue,
  most: StringValue,
  otherwise: StringValue,
): Option {
  return new Option(flags, what).argParser(period(least, most)).default(ms(otherwise), otherwise)
}

/** Reads a time like 10m or 90d into milliseconds. */
function period(least: StringValue, most: StringValue): (text: string) => number {
  return text => {
    const value = isPeriod(text) ? Math.round(ms(text)) : -1
    if (value >= ms(least) && value <= ms(most)) return value
    throw new InvalidArgumentError(`must be a time from ${least} to ${most}, like 10m, 12h or 90d.`)
  }
}

const isPeriod = (text: string): text is StringValue => /^\d+(\.\d+)?\s*(ms|s|m|h|d)$/.test(text)

/** A working day's examples, below a command's help. */
function examples(...lines: readonly (readonly [string, string])[]): string {
  const shown = lines.map(
    ([line, what]) => [line.includes('mediaferry ') ? line : `mediaferry ${line}`, what] as const,
  )
  const width = Math.max(...shown.map(([line]) => line.length))
  return `\nExamples:\n${shown.map(([line, what]) => `  ${line.padEnd(width)}  ${what}`.trimEnd()).join('\n')}\n`
}
