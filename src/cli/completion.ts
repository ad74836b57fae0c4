import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/**
 * `completion zsh|bash|fish|powershell`: a script for the shell, which asks the hidden command `complete`. To be
 * called last: it knows the commands that are there already.
 */
export function addCompletion(program: Command): void {
  program.commandsGroup('Other:')
  program.helpCommand('help [command]', 'show the options of a command')
  tab(program, { completionCommandName: 'completion' })
  const [completion] = program.commands.filter(command => command.name() === 'completion')
  completion?.description('print the completion script of a shell: `source <(mediaferry completion bash)`')
  // @bomb.sh/tab 0.0.22 prints the script by console.log, with constants that a second `source` cannot set again.
  const { log } = console
  completion?.hook('preAction', () => {
    console.log = (text: unknown) => log(sourcedTwice(String(text)))
  })
  completion?.hook('postAction', () => {
    console.log = log
  })
}

const sourcedTwice = (script: string): string =>
  script.replace(/^readonly (ShellComp\w+)=(\d+)$/gm, (_, name, value) => `: "\${${name}:=${value}}"`)
