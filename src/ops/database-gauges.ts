import { Gauge, type Registry } from 'prom-client'
import type { SummaryCache, SummaryReading } from './summary.ts'

/**
 * What the database has of all daemons' work, read when somebody scrapes, by way of the cache. While it does not
 * answer the last numbers stand, and `mediaferry_summary_age_seconds` grows.
 */
export function databaseGauges(registry: Registry, cache: Pick<SummaryCache, 'read'>): void {
  const registers = [registry]

  /** A gauge without a reading has no sample at all: zero would be a claim. */
  function gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    samples: (reading: SummaryReading) => readonly (readonly [Readonly<Record<string, string>>, number])[],
  ): void {
    new Gauge({
      name: `mediaferry_${name}`,
      help,
      labelNames: [...labelNames],
      registers,
      async collect() {
        if (labelNames.length === 0) this.remove()
        else this.reset()
        const reading = await cache.read().catch(() => undefined)
        if (reading === undefined) return
        for (const [labels, value] of samples(reading)) this.set(labels, value)
      },
    })
  }

  const single = (value: number) => [[{}, value] as const]

  gauge('attachments', 'Attachments by upload_status.', ['status'], ({ summary }) =>
    Object.entries(summary.counts).map(([status, count]) => [{ status }, count] as const),
  )
  gauge('attachments_due', 'Attachments that wait for nothing but a lane.', [], ({ summary }) =>
    single(summary.due),
  )
  gauge('oldest_due_age_seconds', 'How long the oldest of those has been due.', [], ({ summary }) =>
    single(
      summary.oldest_due_at === null
        ? 0
        : Math.max(0, (Date.now() - Date.parse(summary.oldest_due_at)) / 1000),
    ),
  )
  gauge('attachments_expiring', 'Not stored yet, and Meta deletes them within 24 hours.', [], ({ summary }) =>
    single(summary.expiring_24h),
  )
  gauge('rejected_payloads', 'Payloads that could not be taken in.', [], ({ summary }) =>
    single(summary.rejected),
  )
  gauge('paused', '1 while an operator has paused the pipeline.', [], ({ summary }) =>
    single(Number(summary.paused !== null)),
  )
  gauge('summary_age_seconds', 'How old the numbers of the database are.', [], ({ readAt }) =>
    single((Date.now() - readAt.getTime()) / 1000),
  )
}
