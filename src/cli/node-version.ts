import { nodeFault } from './node-fault.ts'

// The first import of the command: what comes after it does not even load in an older Node.js.
const fault = nodeFault(process.versions.node)
if (fault !== undefined) {
  process.stderr.write(`error: ${fault}\n`)
  process.exit(1)
}
