import { writeFileSync } from 'node:fs'

/** What a daemon and the command line need to know to work with a local project. */
export interface DevEnvironment {
  readonly supabaseUrl: string
  readonly secretKey: string
  readonly graphUrl: string
  readonly accessToken: string
  readonly appSecret: string
  readonly verifyToken: string
  readonly stateFile: string
}

/** The same as settings, by name. */
export function asSettings(environment: DevEnvironment): Record<string, string> {
  return {
    SUPABASE_URL: environment.supabaseUrl,
    SUPABASE_SECRET_KEY: environment.secretKey,
    WHATSAPP_GRAPH_URL: environment.graphUrl,
    WHATSAPP_MEDIA_HOSTS: '127.0.0.1',
    WHATSAPP_ACCESS_TOKEN: environment.accessToken,
    WHATSAPP_APP_SECRET: environment.appSecret,
    WHATSAPP_VERIFY_TOKEN: environment.verifyToken,
    STATE_FILE: environment.stateFile,
  }
}

/** Writes them to a file for `env $(cat FILE) …`, readable by its owner alone. */
export function writeEnvironmentFile(path: string, environment: DevEnvironment): void {
  const lines = Object.entries(asSettings(environment)).map(([name, value]) => `${name}=${value}`)
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 })
}
