import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../package-root.ts'

/** How a person calls mediaferry here: by npm's script in a clone, by its name where it is installed. */
export const MEDIAFERRY: string = existsSync(join(PACKAGE_ROOT, 'src'))
  ? 'npm run mediaferry --'
  : 'npx mediaferry'
