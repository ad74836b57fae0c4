#!/usr/bin/env node
import './cli/node-version.ts'
import { Command } from 'commander'
import { addCompletion } from './cli/completion.ts'
import { addDaemonCommands } from './cli/daemon.ts'
import { addLocalCommands } from './cli/local.ts'
import { addOperatorCommands } from './cli/operator.ts'
import { told } from './cli/told.ts'
import { addUpkeepCommands } from './cli/upkeep.ts'
import { asTyped, helpAsTyped } from './commands/called.ts'
import { describeError, UserError, withoutSecrets } from './errors.ts'
import { VERSION } from './version.ts'

const A_WORKING_DAY = `
A working day:
  mediaferry status                            is everything arriving?
  mediaferry status 42                         why did this one not arrive, and what to do
  mediaferry doctor                            what is wrong here, and how to mend it
  mediaferry retry 42                          try it again
  mediaferry retry --failed --code integrity   and all that failed for the same reason
  mediaferry pause --reason 'moving house'     nothing new is claimed, in any daemon
  mediaferry resume
  */5 * * * *  mediaferry sweep --limit 50 --verbose    from cron, in the place of a daemon

Exit codes: 0 when all went well, 1 when something did not, 130 after Ctrl-C.
The settings are read from the environment and from a file .env in this folder.
`

/** The commands, and the only place with exit codes: 0 when all went well, 1 otherwise, 130 after Ctrl-C. */
const program = new Command('mediaferry')
  .description('Carries WhatsApp media into your own Supabase Storage: once, whole and checked.')
  .version(VERSION)
  .showHelpAfterError('(`mediaferry --help` lists the commands)')
  .addHelpText('after', A_WORKING_DAY)
  .configureOutput({
    writeOut: text => process.stdout.write(inHelp(text)),
    writeErr: text => process.stderr.write(inHelp(text)),
  })

function inHelp(text: string): string {
  return helpAsTyped(
    text,
    program.commands.map(command => command.name()),
  )
}

addDaemonCommands(program)
addOperatorCommands(program)
addUpkeepCommands(program)
addLocalCommands(program)
addCompletion(program)
for (const command of program.commands) {
  command.showHelpAfterError(`(\`mediaferry ${command.name()} --help\` shows its options)`)
}

try {
  await program.parseAsync()
} catch (thrown) {
  const error = await told(thrown)
  process.stderr.write(
    `error: ${error instanceof UserError ? asTyped(error.message) : describeError(error)}\n`,
  )
  if (error instanceof UserError && error.hint !== undefined) process.stderr.write(`${asTyped(error.hint)}\n`)
  else if (!(error instanceof UserError) && error instanceof Error)
    process.stderr.write(`${withoutSecrets(String(error.stack))}\n`)
  // Not merely the code: under PM2 its channel to us would keep a failed start alive.
  process.exit(1)
}
