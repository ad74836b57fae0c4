import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type DevEnvironment, writeEnvironmentFile } from '../local/dev-environment.ts'
import { projectKeys } from '../local/keys.ts'
import { type LocalProject, startProject } from '../local/project.ts'
import { runningCliProject } from '../local/supabase-cli.ts'
import { startWhatsApp } from '../local/whatsapp/index.ts'
import { stopSignal } from './stop-signal.ts'

const FOLDER = '.mediaferry'
const ENVIRONMENT_FILE = join(FOLDER, 'dev.env')
const STATE_FILE = join(FOLDER, 'dev-state.sqlite')
/** The usual ports of a local Supabase project; taken ones are replaced and the replacement is said. */
const PORTS = { api: 54321, database: 54322, whatsapp: 54330 }

/** `mediaferry dev`: a whole Supabase project and a WhatsApp, until Ctrl-C. */
export async function dev(options: { supabaseCli?: true }): Promise<void> {
  mkdirSync(FOLDER, { recursive: true })
  const stopped = stopSignal()
  const running = options.supabaseCli === true ? await besideSupabaseCli() : await ownProject()
  const reason = await Promise.race([stopped, running.broken])
  process.stdout.write(`\nStopping (${reason})\n`)
  await running.stop()
}

interface Running {
  readonly broken: Promise<string>
  stop(): Promise<void>
}

async function ownProject(): Promise<Running> {
  const project = await startProject({
    folder: resolve(FOLDER, 'dev'),
    port: PORTS.api,
    databasePort: PORTS.database,
    whatsappPort: PORTS.whatsapp,
    onStep: step => process.stdout.write(`  starting ${step}\n`),
  })
  tellPort('project', PORTS.api, project.url)
  tellPort('database', PORTS.database, project.databaseUrl)
  tellPort('WhatsApp simulator', PORTS.whatsapp, project.whatsapp.graphUrl)
  const environment = environmentOf(project, STATE_FILE)
  printAddresses(environment, [
    ['Project', project.url],
    ['Webhook', project.webhookUrl],
    ['Database', project.databaseUrl],
    ['WhatsApp', project.whatsapp.graphUrl],
  ])
  return project
}

async function besideSupabaseCli(): Promise<Running> {
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
  printAddresses(environment, [
    ['Project', project.url],
    ['Database', project.databaseUrl],
    ['WhatsApp', whatsapp.graphUrl],
  ])
  process.stdout.write(
    `The migrations: supabase db push --local\nThe webhook:    supabase functions serve --env-file ${ENVIRONMENT_FILE}\n`,
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
  process.stdout.write(`  env $(cat ${ENVIRONMENT_FILE}) npm run mediaferry -- start\n`)
  process.stdout.write(`  env $(cat ${ENVIRONMENT_FILE}) npm run mediaferry -- status\n\nCtrl-C stops it.\n`)
}

function tellPort(what: string, wished: number, url: string): void {
  const port = new URL(url).port
  if (port !== String(wished))
    process.stdout.write(`Port ${wished} is taken: the ${what} listens on ${port}.\n`)
}
