import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { UserError } from '../errors.ts'
import { type DevEnvironment, writeEnvironmentFile } from '../local/dev-environment.ts'
import type { LocalProject } from '../local/project.ts'
import { MEDIAFERRY } from './called.ts'
import { checkLocalPackages } from './local-packages.ts'
import { INTERRUPTED, stopSignal } from './stop-signal.ts'

const FOLDER = '.mediaferry'
const ENVIRONMENT_FILE = join(FOLDER, 'dev.env')
const STATE_FILE = join(FOLDER, 'dev-state.sqlite')
/** The usual ports of a local Supabase project; taken ones are replaced and the replacement is said. */
const PORTS = { api: 54321, database: 54322, whatsapp: 54330 }

/**
 * `mediaferry dev`: a whole Supabase project and a WhatsApp, until Ctrl-C. Answers the exit code: INTERRUPTED when it
 * was stopped before all was there. Throws a UserError when a part ends by itself.
 */
export async function dev(options: { supabaseCli?: true }): Promise<number> {
  // A terminal that is closed, or `| head`: there is nobody to tell, and the parts still have to be stopped.
  process.stdout.on('error', () => undefined)
  const stopped = stopSignal({ withTerminal: true })
  const giveUp = new AbortController()
  stopped.then(() => giveUp.abort())
  mkdirSync(FOLDER, { recursive: true })
  const running = await (options.supabaseCli === true
    ? besideSupabaseCli()
    : ownProject(giveUp.signal)
  ).catch(error => {
    if (giveUp.signal.aborted) return undefined
    throw error
  })
  if (running === undefined) {
    process.stdout.write('\nStopped before everything was there\n')
    return INTERRUPTED
  }
  const broken = running.broken.then(why => ({ why }))
  const reason = await Promise.race([stopped, broken])
  process.stdout.write(`\nStopping (${typeof reason === 'string' ? reason : reason.why})\n`)
  await running.stop()
  if (typeof reason === 'string') return 0
  throw new UserError(`${reason.why}, so the local project was stopped.`, {
    hint: `What it said last is in ${join(FOLDER, 'dev', 'project.log')}.`,
  })
}

interface Running {
  readonly broken: Promise<string>
  stop(): Promise<void>
}

async function ownProject(signal: AbortSignal): Promise<Running> {
  checkLocalPackages()
  const { startProject } = await import('../local/project.ts')
  const project = await startProject({
    folder: resolve(FOLDER, 'dev'),
    port: PORTS.api,
    databasePort: PORTS.database,
    whatsappPort: PORTS.whatsapp,
    onStep: step => process.stdout.write(`  starting ${step}\n`),
    signal,
  })
  const { graphUrl, mediaUrl } = project.whatsapp
  tellPort('project', PORTS.api, project.url)
  tellPort('database', PORTS.database, project.databaseUrl)
  tellPort('WhatsApp simulator', PORTS.whatsapp, graphUrl)
  tellPort("simulator's media host", PORTS.whatsapp + 1, mediaUrl)
  printAddresses(environmentOf(project, STATE_FILE), [
    ['Project', project.url],
    ['Webhook', project.webhookUrl],
    ['Database', project.databaseUrl],
    ['WhatsApp', graphUrl],
  ])
  return project
}

async function besideSupabaseCli(): Promise<Running> {
  const { runningCliProject } = await import('../local/supabase-cli.ts')
  const { projectKeys } = await import('../local/keys.ts')
  const { startWhatsApp } = await import('../local/whatsapp/index.ts')
  const project = await runningCliProject()
  const keys = projectKeys(join(FOLDER, 'dev', 'keys.json'))
  const whatsapp = await startWhatsApp({
    accessToken: keys.whatsappAccessToken,
    appSecret: keys.whatsappAppSecret,
    graphPort: PORTS.whatsapp,
    mediaPort: PORTS.whatsapp + 1,
  })
  const environment: DevEnvironment = {
    supabaseUrl: project.url,
    secretKey: project.secretKey,
    graphUrl: whatsapp.graphUrl,
    accessToken: keys.whatsappAccessToken,
    appSecret: keys.whatsappAppSecret,
    verifyToken: keys.whatsappVerifyToken,
    stateFile: STATE_FILE,
  }
  tellPort('WhatsApp simulator', PORTS.whatsapp, whatsapp.graphUrl)
  tellPort("simulator's media host", PORTS.whatsapp + 1, whatsapp.mediaUrl)
  printAddresses(environment, [
    ['Project', project.url],
    ['Webhook', `${project.url}/functions/v1/whatsapp-webhook`],
    ['Database', project.databaseUrl],
    ['WhatsApp', whatsapp.graphUrl],
  ])
  process.stdout.write(
    `\nThe migrations: supabase db push\nThe webhook:    supabase functions serve --env-file ${ENVIRONMENT_FILE}\n`,
  )
  return { broken: new Promise(() => undefined), stop: whatsapp.stop }
}

export function environmentOf(project: LocalProject, stateFile: string): DevEnvironment {
  return {
    supabaseUrl: project.url,
    secretKey: project.keys.secret,
    graphUrl: project.whatsapp.graphUrl,
    accessToken: project.keys.whatsappAccessToken,
    appSecret: project.keys.whatsappAppSecret,
    verifyToken: project.keys.whatsappVerifyToken,
    stateFile,
  }
}

function printAddresses(environment: DevEnvironment, rows: readonly [string, string][]): void {
  writeEnvironmentFile(ENVIRONMENT_FILE, environment)
  process.stdout.write(`\n${rows.map(([name, address]) => `${name.padEnd(10)} ${address}`).join('\n')}\n\n`)
  process.stdout.write(`Its settings are in ${ENVIRONMENT_FILE}. In another terminal:\n`)
  process.stdout.write(`  env $(cat ${ENVIRONMENT_FILE}) ${MEDIAFERRY} start\n`)
  process.stdout.write(`  env $(cat ${ENVIRONMENT_FILE}) ${MEDIAFERRY} status\n\nCtrl-C stops it.\n`)
}

function tellPort(what: string, wished: number, url: string): void {
  const port = new URL(url).port
  if (port !== String(wished)) {
    process.stdout.write(`Port ${wished} is taken: the ${what} listens on ${port}.\n`)
  }
}
