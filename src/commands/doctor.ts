import { openClient } from '../database/client.ts'
import { openDatabase } from '../database/database.ts'
import { schemaVersion } from '../database/schema-version.ts'
import { describeError, UserError } from '../errors.ts'
import { environment, readSettings, type Settings, supabaseOf } from '../settings.ts'
import { createTransfer, TransferError } from '../transfer/index.ts'
import { VERSION } from '../version.ts'
import { asTyped } from './called.ts'
import { type Check, runChecks } from './doctor/checks.ts'
import { daemonsVerdict, pauseVerdict } from './doctor/daemons.ts'
import {
  askCheckup,
  askSummary,
  clockVerdict,
  grantsVerdict,
  lookAtMigrations,
  publicationVerdict,
  refusesKey,
} from './doctor/database.ts'
import { AFTER_DATABASE, type Finding, NOT_ASKED, type Verdict } from './doctor/finding.ts'
import { diskVerdict, modeOf, readRoom, settingsVerdict } from './doctor/machine.ts'
import { hearCanary, realtimeVerdict } from './doctor/realtime.ts'
import { bucketVerdict, readBucket, uploadVerdict } from './doctor/storage.ts'
import { askAboutToken, tokenVerdict } from './doctor/token.ts'
import { askWebhook, webhookUrl, webhookVerdict } from './doctor/webhook.ts'
import { type Look, lookOf, type Paint } from './terminal.ts'

/**
 * `mediaferry doctor`: looks at everything that a file's way depends on, says what is wrong and what to type, and
 * changes nothing. Answers the exit code: 1 when something is a failure.
 */
export async function doctor(options: { json?: true }): Promise<number> {
  if (process.stderr.isTTY === true) process.stderr.write('Looking, for up to twenty seconds …\n')
  const findings = await findingsFor(environment())
  const failed = findings.some(({ level }) => level === 'failure')
  const text =
    options.json === true
      ? JSON.stringify({ ok: !failed, checks: findings })
      : asTyped(findings.map(finding => lineOf(finding, lookOf(process.stdout))).join('\n'))
  process.stdout.write(`${text}\n`)
  return failed ? 1 : 0
}

const MARKS: Readonly<Record<Finding['level'], readonly [string, Paint]>> = {
  ok: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  failure: ['failure', 'red'],
}

export function lineOf({ check, level, message, fix }: Finding, look: Look): string {
  const [mark, colour] = MARKS[level]
  const under = `\n${' '.repeat(23)}`
  const first = `${look.paint(colour, mark.padEnd(7))}  ${check.padEnd(12)}  ${message.replaceAll('\n', under)}`
  return fix === undefined ? first : `${first}${under}${look.paint('bold', 'fix:')} ${fix}`
}

/** Everything that doctor finds with these settings, in a fixed order. Never rejects for what it looks at. */
export async function findingsFor(source: Readonly<Record<string, string>>): Promise<readonly Finding[]> {
  let settings: Settings
  try {
    settings = readSettings(source, ['supabase', 'token'])
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return [
      { check: 'settings', level: 'failure', message: error.message, fix: error.hint ?? 'mediaferry init' },
    ]
  }
  const project = supabaseOf(settings)
  const client = openClient({ ...project, timeoutMs: CALL_MS })
  const database = openDatabase({ ...project, timeoutMs: CALL_MS })
  const transfer = createTransfer({
    graphUrl: settings.WHATSAPP_GRAPH_URL,
    graphVersion: settings.WHATSAPP_GRAPH_VERSION,
    accessToken: settings.WHATSAPP_ACCESS_TOKEN ?? '',
    mediaHosts: settings.WHATSAPP_MEDIA_HOSTS,
    supabaseUrl: project.url,
    supabaseKey: project.key,
    bucket: settings.STORAGE_BUCKET,
    maxFileSize: settings.MAX_FILE_SIZE,
    concurrency: 1,
    version: VERSION,
  })
  const version = schemaVersion(client.call)
  const checkup = askCheckup(client.call)
  const summary = askSummary(client.call)
  const withGoodKey = async (look: () => Promise<Verdict>) =>
    (await refusesKey(version)) ? NOT_ASKED : look()
  const removeRow = async (worker: string) => {
    await client.from('realtime_canary').delete().eq('worker', worker)
  }
  const check = (name: string, otherwise: string, look: Check['look'], timeoutMs = CALL_MS): Check => ({
    name,
    otherwise,
    look,
    timeoutMs,
  })
  const network = 'Can this machine reach it? Look at its network, its DNS and any proxy.'
  try {
    return await runChecks([
      check('settings', '', async () => settingsVerdict(await modeOf('.env'))),
      check('database', network, () => lookAtMigrations(version)),
      check('functions', network, async () => grantsVerdict(await checkup)),
      check('publication', network, async () => publicationVerdict(await checkup)),
      check(
        'Realtime',
        AFTER_DATABASE,
        async () => {
          const timeouts = { joinMs: JOIN_MS, canaryMs: settings.CANARY_TIMEOUT }
          return realtimeVerdict(await hearCanary(project, database, removeRow, timeouts))
        },
        CALL_MS + JOIN_MS + settings.CANARY_TIMEOUT,
      ),
      check('bucket', network, signal =>
        withGoodKey(async () =>
          bucketVerdict(
            settings.STORAGE_BUCKET,
            await readBucket({ ...project, bucket: settings.STORAGE_BUCKET }, signal),
            settings.MAX_FILE_SIZE,
            project.url,
          ),
        ),
      ),
      check('upload', network, signal =>
        withGoodKey(async () => uploadVerdict(await thrownBy(transfer.probes.storage(signal)))),
      ),
      check('token', network, async signal =>
        tokenVerdict(
          await askAboutToken(
            {
              url: settings.WHATSAPP_GRAPH_URL,
              version: settings.WHATSAPP_GRAPH_VERSION,
              token: settings.WHATSAPP_ACCESS_TOKEN ?? '',
            },
            signal,
          ),
          Date.now() / 1000,
        ),
      ),
      check('webhook', network, async signal =>
        webhookVerdict(
          await askWebhook(
            webhookUrl(project.url),
            { appSecret: settings.WHATSAPP_APP_SECRET?.[0], verifyToken: settings.WHATSAPP_VERIFY_TOKEN },
            signal,
          ),
        ),
      ),
      check('daemons', network, async () =>
        daemonsVerdict(await summary, Date.now(), settings.CANARY_INTERVAL),
      ),
      check('pause', network, async () => pauseVerdict(await summary)),
      check('clock', network, async () => clockVerdict(await checkup)),
      check('disk', 'Look at the folder of STATE_FILE.', async () =>
        diskVerdict(await readRoom(settings.STATE_FILE)),
      ),
    ])
  } finally {
    await Promise.all([transfer.close(), client.close(), database.close()])
  }
}

const CALL_MS = 10_000
/** Joining a project that has slept takes up to 3 s, the refusal of a key 5 s (measured against Realtime 2.129). */
const JOIN_MS = 10_000

async function thrownBy(work: Promise<void>): Promise<{ code: string; message: string } | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    if (error instanceof TransferError) return error.failure
    return { code: 'storage_unknown', message: describeError(error) }
  }
}
