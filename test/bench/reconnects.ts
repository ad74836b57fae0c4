import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PACKAGE_ROOT } from '../../src/local/prepare.ts'
import { startProject } from '../../src/local/project.ts'
import { type Sample, SETTLE_MS, startReconnecting } from '../intake/reconnecting.ts'

/**
 * `node test/bench/reconnects.ts [--json]`: one link to Realtime joins anew a thousand times, by a new channel, a new
 * client and a broken connection in turn. What its process holds afterwards must be what it held at the beginning.
 */
const AT = [10, 100, 500, 1000]

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const local = await startProject({
  folder: join(PACKAGE_ROOT, '.mediaferry', 'bench-reconnects'),
  fresh: true,
})
try {
  const { faults } = local.realtime
  const link = startReconnecting(local.url, local.keys.secret, () => {
    faults.apply('killed', {})
    faults.clear('killed')
  })
  try {
    const samples: (Sample & { readonly reconnects: number })[] = []
    for (const reconnects of AT) {
      const before = samples.at(-1)?.reconnects ?? 0
      const sample = await link.run({ reconnects: reconnects - before, settleMs: SETTLE_MS })
      samples.push({ reconnects, ...sample })
      if (!values.json) console.log(line(reconnects, sample))
    }
    if (values.json) console.log(JSON.stringify(samples))
  } finally {
    await link.stop()
  }
} finally {
  await local.stop()
}

function line(reconnects: number, { heapMb, resources, descriptors, channels, listeners }: Sample): string {
  const kinds = Object.entries(resources).map(([kind, count]) => `${kind} ${count}`)
  return `after ${reconnects}: heap ${heapMb.toFixed(2)} MB, ${kinds.join(', ')}, ${descriptors} descriptors, ${channels} channel, ${listeners} listeners`
}
