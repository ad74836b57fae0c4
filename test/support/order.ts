import { basename, join } from 'node:path'

/**
 * What takes longer than ten seconds, the longest first, as `npm test` prints it in the end: a long file that begins
 * last runs alone, with the other lanes empty. The simulation needs a core, and those behind it mostly wait.
 */
const LONGEST: readonly string[] = [
  'test/simulation/simulation.test.ts',
  'test/edge-cases/network-failures.test.ts',
  'test/commands/cli.test.ts',
  'together/local.test.ts',
  'test/pm2.test.ts',
  'test/commands/dev.test.ts',
  'together/moreSql.test.ts',
  'test/simulation/model.test.ts',
  'test/commands/demo.test.ts',
  'test/edge-cases/storage-failures.test.ts',
  'test/intake/realtime.test.ts',
  'together/sql.test.ts',
  'together/transfer.test.ts',
  'test/browser/arrives.test.ts',
  'test/crash/stored.test.ts',
  'test/browser/now.test.ts',
  'test/commands/upkeep/verify.test.ts',
  'test/crash/random-kills.test.ts',
  'test/browser/attachments.test.ts',
  'test/edge-cases/status-transitions.test.ts',
  'test/edge-cases/concurrent-uploads.test.ts',
  'test/edge-cases/large-files-and-content-types.test.ts',
  'test/browser/connection.test.ts',
  'together/ops.test.ts',
]

export function longestFirst(files: readonly string[]): string[] {
  const place = (file: string): number => {
    const name = file.startsWith('test/') ? file : join('together', basename(file))
    const at = LONGEST.indexOf(name)
    return at < 0 ? LONGEST.length : at
  }
  return [...files].sort((a, b) => place(a) - place(b))
}
