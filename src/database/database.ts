import type { Claim, ClaimKey, Note, SettleAnswer, SettlementOfClaim } from '../attachment.ts'
import {
  type AfterAnswer,
  afterAnswer,
  alertAnswer,
  beatAnswer,
  claimAnswer,
  claimKeys,
  claims,
  expiringAnswer,
  pausedAnswer,
  recordAnswer,
  releaseAnswer,
  renewAnswer,
  retryAnswer,
  type Summary,
  settleAnswer,
  summaryAnswer,
} from './answers.ts'
import { type Client, type DatabaseOptions, firstFault, openClient, otherShape, rowsOf } from './client.ts'
import { schemaVersion } from './schema-version.ts'
import { settlementRow, tidyDetail } from './settlement-row.ts'

export type { DatabaseOptions } from './client.ts'

export interface SystemEvent {
  readonly attachmentId: number | null
  readonly event: string
  readonly detail: Note['detail']
}

/**
 * The SQL functions, typed and batched. Every call rejects with a DatabaseError and with nothing else; every
 * duration is in milliseconds.
 */
export interface Database {
  claim(worker: string, ids: readonly number[], max: number, leaseMs: number): Promise<ClaimAnswer>
  /** The claims that are still held. */
  renew(worker: string, claims: readonly ClaimKey[], leaseMs: number): Promise<readonly ClaimKey[]>
  /** One answer for each settlement, in their order. */
  settle(worker: string, settlements: readonly SettlementOfClaim[]): Promise<readonly SettleAnswer[]>
  /** Lets go of what this worker held in an earlier life. */
  release(
    worker: string,
  ): Promise<{ readonly released: readonly number[]; readonly workerLost: readonly number[] }>
  /** The claims that the database thinks this worker has. */
  held(worker: string): Promise<readonly ClaimKey[]>
  after(xid: string, id: number, max: number): Promise<AfterAnswer>
  /** Writes this worker's row of `realtime_canary`; answers its new beat, and whether the pipeline is paused. */
  beat(
    worker: string,
    state: string,
    circuits: Readonly<Record<string, string>>,
    version: string,
  ): Promise<{ readonly beat: number; readonly paused: boolean }>
  record(worker: string, events: readonly SystemEvent[]): Promise<void>
  /** False when the same alert was raised within `quietMs`, by whichever worker. */
  raiseAlert(worker: string, alert: string, detail: Note['detail'], quietMs: number): Promise<boolean>
  /** Open rows that Meta deletes within a day; 10,000 stands for as many or more. */
  expiring(): Promise<{ readonly count: number; readonly soonest: string | null }>
  retry(ids: readonly number[] | null, code: string | null, max: number): Promise<readonly number[]>
  summary(): Promise<Summary>
  setPaused(paused: boolean, by: string, reason: string | null): Promise<void>
  /** Which migrations are applied, for `schemaFault`; null for those that cannot say. */
  schemaVersion(): Promise<number | null>
  /** Calls that are still under way reject. */
  close(): Promise<void>
}

export interface ClaimAnswer {
  readonly paused: boolean
  readonly claims: readonly Claim[]
  /** Rows that were failed instead, because they had cost five workers their lease. */
  readonly workerLost: readonly number[]
}

/** Opens the typed functions of the Data API. */
export function openDatabase(options: DatabaseOptions, client: Client = openClient(options)): Database {
  const { call, from, close } = client

  async function settle(worker: string, settlements: readonly SettlementOfClaim[]) {
    const results = settlements.map(item => ({ ...keyRow(item), ...settlementRow(item.settlement) }))
    const { answers } = await call('settle_attachments', { worker, results }, settleAnswer)
    const byKey = new Map(answers.map(row => [`${row.id}-${row.claim_token}`, row.answer]))
    return settlements.map(({ id, claimToken }) => {
      const answer = byKey.get(`${id}-${claimToken}`)
      // Not to be guessed: whoever is told `lost` deletes its object.
      if (answer === undefined) throw otherShape('settle_attachments', `no answer for ${id}`)
      return answer
    })
  }

  async function held(worker: string): Promise<readonly ClaimKey[]> {
    const found: ClaimKey[] = []
    for (;;) {
      const page = await from('attachments')
        .select('id, claim_token')
        .eq('upload_status', 'UPLOADING')
        .eq('leased_by', worker)
        // Released at the start, it did cost a worker: it has its pause to come.
        .not('leased_until', 'is', null)
        .gt('id', found.at(-1)?.id ?? 0)
        .order('id')
        .limit(PAGE)
      const rows = rowsOf(page)
      found.push(...rows.map(row => ({ id: row.id, claimToken: row.claim_token })))
      if (rows.length < PAGE) return found
    }
  }

  return {
    claim: async (worker, ids, max, leaseMs) => {
      const answer = await call(
        'claim_attachments',
        { worker, ids: [...ids], max, lease: interval(leaseMs) },
        claimAnswer,
      )
      const read = claims.safeParse(answer.claims)
      if (!read.success) {
        const keys = claimKeys.safeParse(answer.claims)
        if (keys.success) await settle(worker, keys.data.map(giveBack))
        throw otherShape('claim_attachments', firstFault(read.error), read.error)
      }
      return { paused: answer.paused, claims: read.data, workerLost: answer.worker_lost }
    },
    renew: async (worker, claims, leaseMs) => {
      const args = { worker, claims: claims.map(keyRow), lease: interval(leaseMs) }
      const { held } = await call('renew_leases', args, renewAnswer)
      return held.map(row => ({ id: row.id, claimToken: row.claim_token }))
    },
    settle,
    release: async worker => {
      const answer = await call('release_claims', { worker }, releaseAnswer)
      return { released: answer.released, workerLost: answer.worker_lost }
    },
    held,
    after: (xid, id, max) => call('attachments_after', { xid, id, max }, afterAnswer),
    beat: (worker, state, circuits, version) =>
      call('beat_canary', { worker, state, circuits, version }, beatAnswer),
    record: async (worker, events) => {
      const rows = events.map(({ attachmentId, event, detail }) => ({
        attachment_id: attachmentId,
        worker,
        event,
        detail: tidyDetail(detail),
      }))
      await call('record_events', { events: rows }, recordAnswer)
    },
    raiseAlert: async (worker, alert, detail, quietMs) => {
      const args = { worker, alert, detail: tidyDetail(detail), quiet: interval(quietMs) }
      return (await call('raise_alert', args, alertAnswer)).raised
    },
    expiring: () => call('expiring_attachments', {}, expiringAnswer),
    retry: async (ids, code, max) => {
      const chosen = { ...(ids === null ? {} : { ids: [...ids] }), ...(code === null ? {} : { code }) }
      return (await call('retry_attachments', { ...chosen, max }, retryAnswer)).retried
    },
    summary: () => call('pipeline_summary', {}, summaryAnswer),
    setPaused: async (paused, by, reason) => {
      const why = reason === null ? {} : { reason }
      await call('set_pipeline_paused', { paused, changed_by: by, ...why }, pausedAnswer)
    },
    schemaVersion: () => schemaVersion(call),
    close,
  }
}

/** The Data API cuts an answer at 1,000 rows. */
const PAGE = 500

const keyRow = ({ id, claimToken }: ClaimKey) => ({ id, claim_token: claimToken })

const interval = (milliseconds: number): string => `${milliseconds} milliseconds`

/**
 * Claims that this version cannot read. Left to their leases they would be claimed and lost again and again, until
 * all of them were FAILED.
 */
function giveBack(row: { readonly id: number; readonly claim_token: number }): SettlementOfClaim {
  const message = 'The database speaks another version than the daemon that claimed this attachment.'
  const settlement = { outcome: 'interrupted', code: 'schema', message, retryInMs: 60_000 } as const
  return { id: row.id, claimToken: row.claim_token, settlement }
}
