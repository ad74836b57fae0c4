import { openChildRegistry } from '../../src/local/processes.ts'

/**
 * A program for tests to kill: has the registry of the folder in its argument, one child in it that sleeps,
 * and one that this child started. Prints both pids and stays.
 */
const [folder = ''] = process.argv.slice(2)
const registry = await openChildRegistry(folder)
const sleepForEver = 'setInterval(() => {}, 1 << 30)'
const child = registry.spawn('sleeper', process.execPath, [
  '--eval',
  `const { pid } = child_process.spawn(process.execPath, ['--eval', '${sleepForEver}'], { stdio: 'ignore' })
   console.log(process.pid, pid)
   ${sleepForEver}`,
])
child.process.stdout?.pipe(process.stdout)
