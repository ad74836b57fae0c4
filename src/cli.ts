#!/usr/bin/env node
import { Command, InvalidArgumentError } from 'commander'
import { describeError, UserError, withoutSecrets } from './errors.ts'
import { VERSION } from './version.ts'

/** The commands, and the only place with exit codes: 0 when all went well, 1 otherwise, 130 after Ctrl-C. */
const program = new Command('mediaferry')
  .description('Carries WhatsApp media into your own Supabase Storage: once, whole and checked.')
  .version(VERSION)
  .showHelpAfterError('(`mediaferry --help` lists the commands)')

program
  .command('start')
  .description('run the daemon until it is told to stop')
  .action(async () => {
    await (await import('./commands/start.ts')).start()
    // realtime-js 2.119 leaves a timer of ten seconds behind a disconnect; everything of ours is closed by now.
    process.exit(0)
  })

program
  .command('dev')
  .description('run a whole Supabase project and a WhatsApp simulator on this machine')
  .option('--supabase-cli', 'use the project of a running `supabase start` instead of our own')
  .action(async options => {
    process.exitCode = await (await import('./commands/dev.ts')).dev(options)
  })

program
  .command('demo')
  .description('watch real files travel from a webhook into Storage, checked byte for byte')
  .option('--once', 'end by itself; exit 0 only when every byte matched')
  .option('--json', 'end with one line of JSON on standard output')
  .action(async options => {
    const { checkLocalPackages } = await import('./commands/local-packages.ts')
    checkLocalPackages(['cli-progress'])
    const { demo } = await import('./commands/demo.ts')
    process.exitCode = await demo(options)
  })

program
  .command('sweep')
  .description('claim and carry what is due, then end: for cron, beside a daemon or without one')
  .option('--limit <n>', 'attachments at the most', wholeNumber, 50)
  .option('--verbose', 'say what was done with each')
  .action(async options => {
    const { sweep } = await import('./commands/sweep.ts')
    process.exitCode = await sweep(options)
  })

program
  .command('status')
  .description('how many attachments are in each state, and which daemons are alive')
  .option('--json', 'for programs')
  .action(async options => (await import('./commands/status.ts')).status(options))

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = 1
  process.stderr.write(`error: ${error instanceof UserError ? error.message : describeError(error)}\n`)
  if (error instanceof UserError && error.hint !== undefined) process.stderr.write(`${error.hint}\n`)
  else if (!(error instanceof UserError) && error instanceof Error)
    process.stderr.write(`${withoutSecrets(String(error.stack))}\n`)
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number from 1.')
}
