import type { Command } from 'commander'
import { phone, wholeNumber } from './arguments.ts'

/** What runs or feeds a project for trying things: `dev`, `demo`, `replay`. */
export function addLocalCommands(program: Command): void {
  program.commandsGroup('Try it:')

  program
    .command('dev')
    .description('run a whole Supabase project and a WhatsApp simulator on this machine')
    .option('--supabase-cli', 'use the project of a running `supabase start` instead of our own')
    .action(async options => {
      process.exitCode = await (await import('../commands/dev.ts')).dev(options)
    })

  program
    .command('demo')
    .description('watch real files travel from a webhook into Storage, checked byte for byte')
    .option('--once', 'end by itself; exit 0 only when every byte matched')
    .option('--json', 'end with one line of JSON on standard output')
    .action(async options => {
      const { checkLocalPackages } = await import('../commands/local-packages.ts')
      checkLocalPackages(['cli-progress'])
      const { demo } = await import('../commands/demo.ts')
      process.exitCode = await demo(options)
    })

  program
    .command('replay')
    .description(
      'send a file as WhatsApp would: through the simulator of `mediaferry dev`, or announce one to a deployed function',
    )
    .option('--image', 'a picture')
    .option('--video', 'a video')
    .option('--audio', 'a voice note')
    .option('--document', 'a document')
    .option('--sticker', 'a sticker')
    .requiredOption('--from <phone>', 'the sender, with country code', phone)
    .option('--file <path>', 'a file of your own; a small sample when left out')
    .option('--caption <text>', 'of a picture, video or document')
    .option('--count <n>', 'so many messages', wholeNumber, 1)
    .option('--url <address>', 'a deployed function, in the place of the one of SUPABASE_URL')
    .option('--phone-number-id <id>', 'your number at Meta, for a deployed function')
    .action(async options => {
      const { kindOf, replay } = await import('../commands/replay.ts')
      await replay({ ...options, kind: kindOf(options) })
    })
}
