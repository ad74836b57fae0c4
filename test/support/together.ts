import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * Files that run one after another in one process, each as a suite, so that its hooks are its own. A process and the
 * imports of one of our files cost 0.3 to 1.2 s of CPU: the 18 files of test/transfer took 17 s, and take 4 together.
 * What a file does outside its tests is done for all of them at first. Not for files whose own time is long, or nothing
 * is there to run beside them.
 */
const TOGETHER: Readonly<Record<string, readonly string[]>> = {
  parts: [
    'test/{alive,env-example,errors,log,reasons,settings,settings-fields}.test.ts',
    'test/{machines,dispatch,cli}/*.test.ts',
    'test/intake/[!r]*.test.ts',
  ],
  transfer: ['test/transfer/*.test.ts'],
  ops: ['test/ops/**/*.test.ts', 'test/bench/**/*.test.ts'],
  commands: ['test/commands/**/*.test.ts', 'test/database/**/*.test.ts', 'test/ci/*.test.ts'],
  local: [
    'test/local/{realtime,samples,whatsapp}/*.test.ts',
    'test/local/{gateway,leaving,supabase-cli}.test.ts',
  ],
  webhook: ['test/supabase/functions/**/*.test.ts'],
  sql: ['test/supabase/database/[a-h]*.test.ts'],
  moreSql: ['test/supabase/database/[i-z]*.test.ts'],
}

/** What has a project, a browser, a cluster or a daemon as a process to itself has a process to itself as well. */
const ALONE = /\b(takeProject|openBrowser|startOwnCluster|startDev)\(|'demo'/

/** The test files as node:test is to run them: where several run together, a file in `folder` stands for them. */
export function bundled(files: readonly string[], root: string, folder: string): string[] {
  mkdirSync(folder, { recursive: true })
  const left = new Set(files)
  const bundles: string[] = []
  for (const [name, patterns] of Object.entries(TOGETHER)) {
    const members = globSync(patterns, { cwd: root })
      .filter(file => left.has(file) && !ALONE.test(readFileSync(join(root, file), 'utf8')))
      .sort()
    if (members.length < 2) continue
    for (const file of members) left.delete(file)
    const bundle = join(folder, `${name}.test.ts`)
    writeFileSync(bundle, textOf(members, root))
    bundles.push(relative(root, bundle))
  }
  return [...bundles, ...left]
}

const textOf = (members: readonly string[], root: string): string =>
  [
    `import { suite } from 'node:test'`,
    ...members.map(file => {
      const url = pathToFileURL(join(root, file)).href
      return `suite(${JSON.stringify(file)}, async () => void (await import(${JSON.stringify(url)})))`
    }),
  ].join('\n')
