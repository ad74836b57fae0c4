import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'

/** Throws a UserError when one of these paths is a symbolic link: writing would change a file that is elsewhere. */
export function refuseLinks(folder: string, paths: Iterable<string>): void {
  const links = [...paths].filter(path =>
    lstatSync(join(folder, path), { throwIfNoEntry: false })?.isSymbolicLink(),
  )
  if (links.length === 0) return
  throw new UserError(`These are symbolic links, and would be written through: ${links.join(', ')}.`, {
    hint: 'Nothing was written. Put the files themselves there, or move the links away, and run `mediaferry init` again.',
  })
}
