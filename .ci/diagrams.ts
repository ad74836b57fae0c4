import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { attachmentMachine } from '../machines/attachment.ts'
import { circuitMachine } from '../machines/circuit.ts'
import { daemonMachine } from '../machines/daemon.ts'
import { subscriptionMachine } from '../machines/subscription.ts'
import { drawMachine, fillDiagrams } from './mermaid.ts'
import { firstDifference } from './text-difference.ts'

/**
 * `npm run diagrams [-- FILE]` draws the machines into README.md, between `<!-- diagram:NAME -->` and
 * `<!-- /diagram:NAME -->`. With `--check` it changes nothing and exits 1 when a drawing is not the machine's.
 */
const check = process.argv.includes('--check')
const path = process.argv.slice(2).find(word => word !== '--check') ?? 'README.md'

const diagrams = {
  attachment: drawMachine(attachmentMachine),
  subscription: drawMachine(subscriptionMachine),
  circuit: drawMachine(circuitMachine),
  daemon: drawMachine(daemonMachine),
}

const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
const { text, missing } = fillDiagrams(before, diagrams)
const difference = firstDifference(before, text)

if (missing.length > 0) {
  console.error(`${path} lacks ${missing.join(', ')}. Put each where its diagram should stand.`)
  process.exitCode = 1
} else if (difference === undefined) {
  console.log(`${path}: the diagrams are those of the machines.`)
} else if (check) {
  console.error(`${path}: a diagram differs from its machine, ${difference}\nRun \`npm run diagrams\`.`)
  process.exitCode = 1
} else {
  writeFileSync(path, text)
  console.log(`${path}: drawn anew.`)
}
