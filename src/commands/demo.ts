import { join, resolve } from 'node:path'
import { type Comparison, compare } from '../demo/compare.ts'
import { type DaemonProcess, startDaemonProcess } from '../demo/daemon-process.ts'
import { deliver, type SentMessage } from '../demo/deliver.ts'
import { type DemoCounts, watch } from '../demo/watch.ts'
import { writeEnvironmentFile } from '../local/dev-environment.ts'
import { type LocalProject, startProject } from '../local/project.ts'
import { burst, demoSet } from '../local/samples/index.ts'
import { MEDIAFERRY } from './called.ts'
import { environmentOf } from './dev.ts'
import { INTERRUPTED, stopSignal } from './stop-signal.ts'

const FOLDER = join('.mediaferry', 'demo')
const ENVIRONMENT_FILE = join(FOLDER, 'demo.env')
const LOG_FILE = join(FOLDER, 'daemon.log')
const CUSTOMER = '15550001234'
const PICTURES = 200

interface Options {
  readonly once?: true
  readonly json?: true
}

/**
 * `mediaferry demo`: real parts, real files, and every byte compared in the end. Answers the exit code: 0 only
 * when all that was sent has arrived unchanged.
 */
export async function demo(options: Options): Promise<number> {
  // A program reads the one JSON line on standard output; people read the rest wherever it goes.
  const output = options.json === true ? process.stderr : process.stdout
  const say = (text: string) => output.write(`${text}\n`)
  output.on('error', () => undefined)
  const stopped = stopSignal({ withTerminal: true })
  const giveUp = new AbortController()
  void stopped.then(() => giveUp.abort())
  say('Starting a Supabase project and a WhatsApp simulator on this machine')
  const project = await startProject({
    folder: resolve(FOLDER, 'project'),
    fresh: true,
    port: 54321,
    databasePort: 54322,
    whatsappPort: 54330,
    onStep: step => say(`  ${step}`),
    signal: giveUp.signal,
  })
  let daemon: DaemonProcess | undefined
  try {
    const environment = environmentOf(project, join(FOLDER, 'state.sqlite'))
    writeEnvironmentFile(ENVIRONMENT_FILE, environment)
    say('  Daemon')
    daemon = await startDaemonProcess({ folder: resolve(FOLDER, 'daemon'), environment, logFile: LOG_FILE })
    const run = carry(project, daemon, output)
    const result = await Promise.race([run, stopped.then(() => undefined)])
    if (result === undefined) {
      run.catch(() => undefined)
      return INTERRUPTED
    }
    if (options.once !== true) {
      say(whatNext(project))
      await Promise.race([stopped, project.broken, daemon.ended])
    }
    const peak = await daemon.stop()
    report(result, peak, options, say)
    return result.comparison.differences.length === 0 && result.counts.FAILED === 0 ? 0 : 1
  } finally {
    say('Stopping')
    await daemon?.stop()
    await project.stop()
  }
}

interface DemoResult {
  readonly sent: readonly SentMessage[]
  readonly counts: DemoCounts
  readonly comparison: Comparison
  readonly seconds: number
}

async function carry(
  project: LocalProject,
  daemon: DaemonProcess,
  output: NodeJS.WriteStream,
): Promise<DemoResult> {
  const say = (text: string) => output.write(`${text}\n`)
  const broken = Promise.race([project.broken, daemon.ended])
  const startedAt = performance.now()
  const everything: SentMessage[] = []
  let counts: DemoCounts | undefined
  for (const [title, samples] of [
    ['One file of each kind, by signed webhook', await demoSet()],
    [`${PICTURES} pictures at once`, await burst(PICTURES)],
  ] as const) {
    say(`\n${title}`)
    const sent = await deliver(project, samples, CUSTOMER)
    everything.push(...sent)
    const messageIds = everything.map(message => message.messageId)
    counts = await watch({ databaseUrl: project.databaseUrl, messageIds, output, broken })
  }
  const seconds = (performance.now() - startedAt) / 1000
  say('\nDownloading every object through a signed URL and comparing it with what was sent')
  const comparison = await compare(project, everything)
  if (counts === undefined) throw new Error('Nothing was sent.')
  say(`  ${comparison.verified} of ${everything.length} are the same, byte for byte`)
  for (const difference of comparison.differences) say(`  ${difference}`)
  return { sent: everything, counts, comparison, seconds }
}

function report(
  result: DemoResult,
  peakMb: number | null,
  options: Options,
  say: (text: string) => void,
): void {
  const { sent, counts, comparison, seconds } = result
  const rounded = Math.round(seconds * 10) / 10
  say(
    `\n${sent.length} sent, ${counts.UPLOADED} uploaded, ${counts.FAILED} failed, ${comparison.verified} verified in ${rounded} s` +
      `${peakMb === null ? '' : `; the daemon used ${peakMb} MB of memory at the most`}`,
  )
  if (options.json !== true) return
  const line = {
    sent: sent.length,
    uploaded: counts.UPLOADED,
    failed: counts.FAILED,
    verified: comparison.verified,
    seconds: rounded,
    peak_rss_mb: peakMb,
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function whatNext(project: LocalProject): string {
  return `
All of it is still running at ${project.url}. In another terminal:

  env $(cat ${ENVIRONMENT_FILE}) ${MEDIAFERRY} status
  tail -f ${LOG_FILE} | npx pino-pretty

Ctrl-C stops it.`
}
