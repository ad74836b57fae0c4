import type { Command } from 'commander'
import { wholeNumber } from './arguments.ts'

/** What the person on duty asks and decides. */
export function addOperatorCommands(program: Command): void {
  program.commandsGroup('Look and steer:')

  program
    .command('status')
    .description('where all attachments are and which daemons are alive, or the whole story of one')
    .argument('[id]', 'one attachment', wholeNumber)
    .option('--newest <n>', 'so many of the newest attachments', wholeNumber, 10)
    .option('--watch', 'go on looking until Ctrl-C; in a pipe a line for each change')
    .option('--json', 'for programs')
    .action(async (id, options) => (await import('../commands/status.ts')).status(id, options))

  program
    .command('retry')
    .description('try FAILED attachments again, with all their attempts')
    .argument(
      '[id...]',
      'attachments by id',
      (text: string, ids: number[]) => [...ids, wholeNumber(text)],
      [],
    )
    .option('--failed', 'all that are FAILED')
    .option('--code <code>', 'of those, the ones that failed for this reason')
    .action(async (ids, options) => {
      const { retry } = await import('../commands/retry.ts')
      process.exitCode = await retry(ids, options)
    })

  program
    .command('pause')
    .description('claim nothing new, in any daemon; what is under way is finished')
    .option('--reason <text>', 'shown to whoever looks')
    .action(async options => (await import('../commands/pause.ts')).setPaused(true, options.reason ?? null))

  program
    .command('resume')
    .description('claim again')
    .action(async () => (await import('../commands/pause.ts')).setPaused(false, null))

  program
    .command('doctor')
    .description('look at everything that a file depends on, and say what is wrong and how to mend it')
    .option('--json', 'for programs')
    .action(async options => {
      process.exitCode = await (await import('../commands/doctor.ts')).doctor(options)
    })

  program
    .command('init')
    .description('make this folder the home of a daemon: .env, migrations, function; again after an update')
    .action(async () => (await import('../commands/init.ts')).init())
}
