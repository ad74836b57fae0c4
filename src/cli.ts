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

program
  .command('replay')
  .description('send a file as WhatsApp would, through the simulator of `mediaferry dev`')
  .option('--image', 'a picture')
  .option('--video', 'a video')
  .option('--audio', 'a voice note')
  .option('--document', 'a document')
  .option('--sticker', 'a sticker')
  .requiredOption('--from <phone>', 'the sender, with country code', phone)
  .option('--file <path>', 'a file of your own; a small sample when left out')
  .option('--count <n>', 'so many messages', wholeNumber, 1)
  .action(async options => {
    const { kindOf, replay } = await import('./commands/replay.ts')
    await replay({ ...options, kind: kindOf(options) })
  })

program
  .command('retry')
  .description('try FAILED attachments again, with all their attempts')
  .argument('[id...]', 'attachments by id', (text: string, ids: number[]) => [...ids, wholeNumber(text)], [])
  .option('--failed', 'all that are FAILED')
  .option('--code <code>', 'of those, the ones that failed for this reason')
  .action(async (ids, options) => {
    const { retry } = await import('./commands/retry.ts')
    process.exitCode = await retry(ids, options)
  })

program
  .command('pause')
  .description('claim nothing new, in any daemon; what is under way is finished')
  .option('--reason <text>', 'shown to whoever looks')
  .action(async options => (await import('./commands/pause.ts')).setPaused(true, options.reason ?? null))

program
  .command('resume')
  .description('claim again')
  .action(async () => (await import('./commands/pause.ts')).setPaused(false, null))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`error: ${error instanceof UserError ? error.message : describeError(error)}\n`)
  if (error instanceof UserError && error.hint !== undefined) process.stderr.write(`${error.hint}\n`)
  else if (!(error instanceof UserError) && error instanceof Error)
    process.stderr.write(`${withoutSecrets(String(error.stack))}\n`)
  // Not merely the code: under PM2 its channel to us would keep a failed start alive.
  process.exit(1)
}

function phone(text: string): string {
  const digits = text.replace(/[\s()+-]/g, '')
  if (/^\d{5,20}$/.test(digits)) return digits
  throw new InvalidArgumentError('must be a phone number with its country code.')
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number from 1.')
}
