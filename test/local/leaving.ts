import { openChildRegistry } from '../../src/local/processes.ts'

/** A program for tests: starts a child that sleeps, prints its pid, and leaves in the way its argument says. */
const [folder = '', way = ''] = process.argv.slice(2)
const registry = await openChildRegistry(folder)
const child = registry.spawn('sleeper', process.execPath, ['--eval', 'setInterval(() => {}, 1 << 30)'])
process.stdout.write(`${child.process.pid}\n`, () => {
  if (way === 'exit') process.exit(3)
  throw new Error('nobody catches this')
})
