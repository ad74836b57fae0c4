import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../package-root.ts'

/** How a person calls mediaferry here: by npm's script in a clone, by its name where it is installed. */
export const MEDIAFERRY: string = existsSync(join(PACKAGE_ROOT, 'src'))
  ? 'npm run mediaferry --'
  : 'npx mediaferry'

/** Texts name a command as `mediaferry …`, in backticks; a person is told what to type here. */
export const asTyped = (text: string, called: string = MEDIAFERRY): string =>
  text.replaceAll('`mediaferry ', `\`${called} `)

/** The same for a help text, which names commands without backticks too. */
export function helpAsTyped(text: string, commands: readonly string[], called: string = MEDIAFERRY): string {
  const named = new RegExp(
    `([$<]\\()?(?<![\\w/.])mediaferry (?=(?:${commands.join('|')}|\\[options\\]|--help)(?!\\w))`,
    'g',
  )
  // Without -s npm's banner would be read as the answer.
  return text.replace(named, (_, reader: string | undefined) =>
    reader === undefined ? `${called} ` : `${reader}${called.replace('npm run ', 'npm run -s ')} `,
  )
}
