import { spawnSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PACKAGE_ROOT } from '../src/package-root.ts'

/** `npm run build`: dist/, as the package carries it: JavaScript, and beside it what the sources have that is none. */
const require = createRequire(import.meta.url)
const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')

rmSync(join(PACKAGE_ROOT, 'dist'), { recursive: true, force: true })
const emit = ['--noEmit', 'false', '--rootDir', '.', '--outDir', 'dist']
// The dashboard's modules run in a browser, and are compiled against its library.
for (const project of [['.ci/tsconfig.build.json'], ['src/ops/dashboard', ...emit]]) {
  const { status } = spawnSync(process.execPath, [tsc, '-p', ...project], {
    cwd: PACKAGE_ROOT,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}
for (const path of globSync('src/**/*.*', { cwd: PACKAGE_ROOT, exclude: ['**/*.ts', '**/tsconfig.json'] })) {
  cpSync(join(PACKAGE_ROOT, path), join(PACKAGE_ROOT, 'dist', path))
}
