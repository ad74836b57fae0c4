import type { Command } from 'commander'
import { wholeNumber } from './arguments.ts'

/** What carries files: `start` and `sweep`. */
export function addDaemonCommands(program: Command): void {
  program.commandsGroup('Carry files:')

  program
    .command('start')
    .description('run the daemon until it is told to stop')
    .action(async () => {
      await (await import('../commands/start.ts')).start()
      // realtime-js 2.119 leaves a timer of ten seconds behind a disconnect; everything of ours is closed by now.
      process.exit(0)
    })

  program
    .command('sweep')
    .description('claim and carry what is due, then end: for cron, beside a daemon or without one')
    .option('--limit <n>', 'attachments at the most', wholeNumber, 50)
    .option('--verbose', 'say what was done with each')
    .action(async options => {
      const { sweep } = await import('../commands/sweep.ts')
      process.exitCode = await sweep(options)
    })
}
