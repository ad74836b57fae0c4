import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import { describeError, UserError } from './errors.ts'
import {
  address,
  duration,
  hostList,
  isLoopback,
  key,
  list,
  serviceAddress,
  size,
  whole,
} from './settings-fields.ts'

/**
 * Every setting, read once from the environment (and a `.env` file below it) into one frozen object.
 * Durations are milliseconds, sizes are bytes. `.env.example` explains each.
 */
export type Settings = Readonly<z.output<typeof schema>>

/** What a command cannot do without. Everything given is checked all the same. */
export type Need = 'supabase' | 'token' | 'webhook'

const NEEDED: Readonly<Record<Need, readonly string[]>> = {
  supabase: ['SUPABASE_URL', 'SUPABASE_SECRET_KEY'],
  token: ['WHATSAPP_ACCESS_TOKEN'],
  webhook: ['WHATSAPP_APP_SECRET', 'WHATSAPP_VERIFY_TOKEN'],
}

const META_MEDIA_HOSTS = 'graph.facebook.com,*.fbsbx.com,*.fbcdn.net,*.whatsapp.net'

const schema = z.object({
  SUPABASE_URL: serviceAddress.optional(),
  SUPABASE_SECRET_KEY: key
    .min(20, 'is too short to be a key')
    .refine(text => !text.startsWith('sb_publishable_'), 'is the publishable key; the secret one is needed')
    .optional(),
  WHATSAPP_ACCESS_TOKEN: key.optional(),
  WHATSAPP_APP_SECRET: list.optional(),
  WHATSAPP_VERIFY_TOKEN: z.string().optional(),
  WHATSAPP_GRAPH_URL: serviceAddress.default('https://graph.facebook.com'),
  WHATSAPP_GRAPH_VERSION: z
    .string()
    .regex(/^v\d+\.\d+$/, 'must look like v25.0')
    .default('v25.0'),
  WHATSAPP_MEDIA_HOSTS: hostList.prefault(META_MEDIA_HOSTS),
  STORAGE_BUCKET: z
    .string()
    .regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/, 'may hold letters, digits, and _ - . only')
    .default('attachments'),
  CONCURRENCY: whole(8, 1, 500),
  MAX_ATTEMPTS: whole(5, 1, 100),
  RETRY_DELAY: duration('5m', '1s'),
  LEASE: duration('60s', '3s'),
  SWEEP_INTERVAL: duration('30s', '1s'),
  CANARY_INTERVAL: duration('30s', '1s'),
  CANARY_TIMEOUT: duration('5s', '100ms'),
  MAX_FILE_SIZE: size('100MB'),
  STATE_FILE: z.string().default('mediaferry-state.sqlite'),
  DRAIN_TIMEOUT: duration('20s', '0s'),
  OPS_HOST: z.string().default('127.0.0.1'),
  OPS_PORT: whole(8787, 0, 65_535),
  OPS_TOKEN: key.min(16, 'must have at least 16 characters').optional(),
  ALERT_URL: address.optional(),
  LOG_LEVEL: z
    .enum(
      ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
      'must be trace, debug, info, warn, error or silent',
    )
    .default('info'),
})

/** The names under which `.env.example` explains them. */
export const SETTING_NAMES: readonly string[] = Object.keys(schema.shape)

type Source = Readonly<Record<string, string | undefined>>

/** The process's environment over the `.env` file of that folder, which may be missing. */
export function environment(folder = process.cwd()): Record<string, string> {
  return { ...given(parseEnv(environmentFile(join(folder, '.env')))), ...given(process.env) }
}

function environmentFile(path: string): string {
  if (!existsSync(path)) return ''
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (cause) {
    throw new UserError(`${path} cannot be read: ${describeError(cause)}`, { cause })
  }
}

/** Reads the settings. Throws one UserError that names every fault, before anything has started. */
export function readSettings(source: Source, needs: readonly Need[]): Settings {
  const texts = given(source)
  const keyName =
    texts.SUPABASE_SECRET_KEY === undefined ? 'SUPABASE_SERVICE_ROLE_KEY' : 'SUPABASE_SECRET_KEY'
  const secretKey = texts[keyName]
  if (secretKey !== undefined) texts.SUPABASE_SECRET_KEY = secretKey
  const parsed = schema.safeParse(texts)
  const faults = (parsed.error?.issues ?? []).map(({ path, message }) => {
    const name = path.join('.')
    return `${name === 'SUPABASE_SECRET_KEY' ? keyName : name} ${message}`
  })
  for (const name of needs.flatMap(need => NEEDED[need])) {
    if (texts[name] === undefined) faults.push(`${name} is missing`)
  }
  if (texts.OPS_HOST !== undefined && !isLoopback(texts.OPS_HOST) && texts.OPS_TOKEN === undefined) {
    faults.push(`OPS_TOKEN is missing: OPS_HOST ${texts.OPS_HOST} can be reached from other machines`)
  }
  if (parsed.success && faults.length === 0) return Object.freeze(parsed.data)
  throw new UserError(
    `The settings have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map(fault => `  - ${fault}`).join('\n')}`,
    {
      hint: 'Set them in the environment or in a file .env here; .env.example explains each one.',
    },
  )
}

/** What has a value. An empty variable counts as none: compose files and CI pass those for what is unset. */
function given(source: Source): Record<string, string> {
  return Object.fromEntries(
    Object.entries(source).flatMap(([name, text]) => {
      const value = text?.trim() ?? ''
      return value === '' ? [] : [[name, value]]
    }),
  )
}

/** Where the project is, for a command that named `supabase` among its needs. */
export function supabaseOf(settings: Settings): { readonly url: string; readonly key: string } {
  const { SUPABASE_URL: url, SUPABASE_SECRET_KEY: key } = settings
  if (url === undefined || key === undefined) throw new Error('readSettings was not asked for supabase')
  return { url, key }
}
