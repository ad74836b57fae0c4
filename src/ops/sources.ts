import type {
  ActivityAnswer,
  FullRow,
  ListQuery,
  Pause,
  RejectedAnswer,
  Row,
  StoryEvent,
} from '../api-shapes.ts'
import type { Dependency } from '../attachment.ts'

/** What the ops server asks of the rest of the daemon. daemon.ts knows who answers. */
export interface OpsSources {
  readonly daemon: DaemonView
  readonly database: DatabaseView
  /** A URL that gives the object out for `seconds`; null when Storage has no such object. */
  signFile(file: FileToSign): Promise<string | null>
}

export interface FileToSign {
  readonly bucket: string
  readonly key: string
  readonly seconds: number
  /** The name to save it under; null shows it in the browser. */
  readonly download: string | null
}

/** This process, now. Reads nothing but memory, also before the daemon has started and after it has stopped. */
export interface DaemonView {
  /** The state of machines/daemon.ts. */
  lifecycle(): string
  worker(): string
  circuits(): readonly CircuitView[]
  lanes(): { readonly busy: number; readonly limit: number; readonly claimed: number }
  /** Live attachments by state of machines/attachment.ts. */
  machine(): Readonly<Record<string, number>>
  realtime(): RealtimeView
}

export interface CircuitView {
  readonly dependency: Dependency
  /** `closed`, `open` or `probing`. */
  readonly state: string
  /** Null while closed. */
  readonly outage: {
    readonly code: string
    readonly message: string
    readonly since: Date
    readonly probes: number
  } | null
}

export interface RealtimeView {
  readonly hearing: boolean
  readonly cause: { readonly code: string; readonly message: string } | null
  readonly announced: number
  readonly missed: number
}

/** All daemons' work, as the database has it. What these reject with has a message for people. */
export interface DatabaseView {
  summary(): Promise<DatabaseSummary>
  list(query: ListQuery): Promise<{
    readonly rows: readonly Row[]
    readonly next_before: number | null
    readonly scanned: number
    readonly people_cut: boolean
  }>
  story(id: number): Promise<{ readonly attachment: FullRow; readonly events: readonly StoryEvent[] } | null>
  activity(): Promise<ActivityAnswer>
  failures(): Promise<readonly { readonly code: string; readonly count: number }[]>
  rejected(before: number | undefined): Promise<RejectedAnswer>
  /** At most 500 a call; answers their ids. */
  retry(
    by: string,
    chosen: { readonly ids: readonly number[] } | { readonly code: string },
  ): Promise<number[]>
  setPaused(paused: boolean, by: string, reason: string | null): Promise<Pause | null>
}

export interface DatabaseSummary {
  readonly counts: Readonly<Record<'PENDING' | 'UPLOADING' | 'UPLOADED' | 'FAILED', number>>
  readonly due: number
  readonly oldest_due_at: string | null
  readonly expiring_24h: number
  readonly rejected: number
  readonly paused: Pause | null
  readonly daemons: readonly {
    readonly worker: string
    readonly beat: number
    readonly state: string
    readonly circuits: Readonly<Record<string, string>>
    readonly version: string
    readonly last_seen: string
  }[]
}
