import { parseArgs } from 'node:util'
import { positive } from './options.ts'
import { measurePickup } from './pickup.ts'
import { commit, machine } from './report.ts'
import { measureWebhook } from './webhook.ts'
import { startWorld } from './world.ts'

/**
 * `npm run bench:pickup [-- --seconds 60 --json]`: how soon a new row is worked on, with nothing else to do and beside
 * a backlog; and how soon, and how often, the webhook acknowledges a delivery.
 */
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, json: { type: 'boolean', default: false } },
})
const seconds = positive('--seconds', values.seconds)
const world = await startWorld({ watch: true })
try {
  const pickup = await measurePickup(world, seconds)
  const webhook = await measureWebhook(world, seconds)
  const { idle, with_backlog: busy } = pickup
  const kept = pickup.backlog_per_s_with_new_rows / pickup.backlog_per_s
  process.stdout.write(
    [
      `From the Realtime event to the first request to WhatsApp, milliseconds (p50, p99, worst of ${idle.count}):`,
      `  idle                       ${idle.p50}  ${idle.p99}  ${idle.worst}`,
      `  beside a backlog of 10,000 ${busy.p50}  ${busy.p99}  ${busy.worst}`,
      `The backlog: ${pickup.backlog_per_s}/s alone, ${pickup.backlog_per_s_with_new_rows}/s beside new rows (${kept.toFixed(2)} of it)`,
      `The webhook under Deno, ${webhook.connections} connections: ${webhook.per_s}/s, acknowledged in ${webhook.p50} ms (p50), ${webhook.p99} ms (p99), ${webhook.db_calls_each} database calls each`,
      `Nothing lost in ${webhook.lossless_seconds} s at ${webhook.lossless_per_s}/s`,
      `${machine()}; commit ${commit()}.`,
      '',
    ].join('\n'),
  )
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ machine: machine(), commit: commit(), pickup, webhook })}\n`)
  }
} finally {
  await world.stop()
}
