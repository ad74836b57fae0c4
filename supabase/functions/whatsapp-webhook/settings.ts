/** What the function is told by its environment. `null` where a request must be refused for lack of it. */
export interface Settings {
  readonly supabaseUrl: string
  /** Bypasses row level security; injected by the platform. */
  readonly supabaseKey: string
  /** At least one; several while a secret is being rotated. */
  readonly appSecrets: readonly string[]
  /** Without it only the handshake is refused. */
  readonly verifyToken: string | null
  readonly bucket: string
  readonly maxAttempts: number
}

export interface ReadSettings {
  /** null: nothing may be answered but 500. */
  readonly settings: Settings | null
  /** Every fault, each a sentence that names the setting and what to do. Never a value. */
  readonly faults: readonly string[]
}

/**
 * Reads the environment. All faults are found at once.
 *
 * The key: hosted projects inject `SUPABASE_SECRET_KEYS`, a JSON dictionary of named secret keys, and the
 * legacy `SUPABASE_SERVICE_ROLE_KEY` (Supabase documentation, "Edge Functions: Environment Variables").
 * Secrets of one's own cannot begin with `SUPABASE_`.
 */
export function readSettings(env: (name: string) => string | undefined): ReadSettings {
  const text = (name: string) => env(name)?.trim() ?? ''
  const faults: string[] = []

  const supabaseUrl = text('SUPABASE_URL')
  if (!URL.canParse(supabaseUrl)) faults.push('SUPABASE_URL is missing or not a URL; the platform injects it')

  const supabaseKey = secretKey(text('SUPABASE_SECRET_KEYS')) ?? text('SUPABASE_SERVICE_ROLE_KEY')
  if (supabaseKey === '') {
    faults.push(
      'no key: SUPABASE_SECRET_KEYS (a JSON object) or SUPABASE_SERVICE_ROLE_KEY is needed; the platform injects them',
    )
  }

  const appSecrets = text('WHATSAPP_APP_SECRET')
    .split(',')
    .map(secret => secret.trim())
    .filter(secret => secret !== '')
  if (appSecrets.length === 0) {
    faults.push(
      'WHATSAPP_APP_SECRET is missing: no delivery can be trusted; set it with `supabase secrets set WHATSAPP_APP_SECRET=…`',
    )
  }

  const attempts = text('MAX_ATTEMPTS') || '5'
  const maxAttempts = /^\d{1,3}$/.test(attempts) ? Number(attempts) : 0
  if (maxAttempts < 1 || maxAttempts > 100) faults.push('MAX_ATTEMPTS must be a whole number from 1 to 100')

  const mayServe = faults.length === 0
  const verifyToken = text('WHATSAPP_VERIFY_TOKEN') || null
  if (verifyToken === null) {
    faults.push(
      'WHATSAPP_VERIFY_TOKEN is missing: the handshake is refused; set it with `supabase secrets set WHATSAPP_VERIFY_TOKEN=…`',
    )
  }

  const bucket = text('STORAGE_BUCKET') || 'attachments'
  return {
    settings: mayServe ? { supabaseUrl, supabaseKey, appSecrets, verifyToken, bucket, maxAttempts } : null,
    faults,
  }
}

/** The key named `default`, else the first one; null when there is none or it is not that JSON. */
function secretKey(json: string): string | null {
  let keys: unknown
  try {
    keys = JSON.parse(json)
  } catch {
    return null
  }
  if (typeof keys !== 'object' || keys === null) return null
  const entries = Object.entries(keys).filter(([, key]) => typeof key === 'string' && key !== '')
  const chosen = entries.find(([name]) => name === 'default') ?? entries[0]
  return chosen === undefined ? null : String(chosen[1])
}
