import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where this package's own files stand, whether its code runs from src/ of a clone or from dist/src/ of a release. */
export const PACKAGE_ROOT: string = rootOf(import.meta.dirname)

function rootOf(folder: string): string {
  return existsSync(join(folder, 'package.json')) || dirname(folder) === folder
    ? folder
    : rootOf(dirname(folder))
}
