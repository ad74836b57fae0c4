/** What a transfer needs to know. All addresses are without a slash at their end. */
export interface TransferConfig {
  /** WHATSAPP_GRAPH_URL: https, or http to loopback. */
  readonly graphUrl: string
  /** WHATSAPP_GRAPH_VERSION, such as `v25.0`. */
  readonly graphVersion: string
  readonly accessToken: string
  /** WHATSAPP_MEDIA_HOSTS: `host`, `host:port` or `*.host`. */
  readonly mediaHosts: readonly string[]
  readonly supabaseUrl: string
  /** A `sb_secret_…` key or a service_role JWT. */
  readonly supabaseKey: string
  /** The bucket that the storage probe reads and writes; each claim names its own. */
  readonly bucket: string
  /** Bytes. */
  readonly maxFileSize: number
  /** Transfers at a time; sizes the connection pools. */
  readonly concurrency: number
  /** mediaferry's own version, for the User-Agent: Meta's media host refuses some libraries' defaults. */
  readonly version: string
  readonly timeouts?: Partial<TransferTimeouts>
  /** Told whenever the Graph API or the media host sends its usage headers. */
  readonly onUsage?: (usage: Usage) => void
}

/** Milliseconds. */
export interface TransferTimeouts {
  readonly connectMs: number
  /** From the request to the answer's headers; while uploading also the longest time without a byte taken. */
  readonly answerMs: number
  /** Between two chunks of a download, not counting the time that Storage makes it wait. */
  readonly idleMs: number
  /** One resolve, probe or small Storage call as a whole. */
  readonly callMs: number
  /** One copy as a whole. 100 MB in 15 minutes is 117 KB/s. */
  readonly copyMs: number
}

export const DEFAULT_TIMEOUTS: TransferTimeouts = {
  connectMs: 10_000,
  answerMs: 60_000,
  idleMs: 30_000,
  callMs: 60_000,
  copyMs: 900_000,
}

/** How much of Meta's allowance is used. Meta asks callers to slow down at 80 and throttles at 100 percent. */
export interface Usage {
  /** The highest of the percentages sent (calls, time, CPU time). */
  readonly callCountPercent: number
  /** Milliseconds until access is regained; 0 when nothing is blocked. */
  readonly regainAccessMs: number
}
