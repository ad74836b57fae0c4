import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The version of this package, as its package.json has it, whether run from the sources or from dist/. */
export const VERSION: string = nearestVersion(import.meta.dirname)

function nearestVersion(folder: string): string {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
  } catch (error) {
    if (dirname(folder) === folder) throw error
    return nearestVersion(dirname(folder))
  }
}
