import type { Channel, Item } from './items.ts'
import type { AttachmentRow, JsonObject } from './model/database.ts'
import type { SimulatedProcess } from './process.ts'
import { readClaims, readRenewed, readSettled } from './readings.ts'
import type { World } from './world.ts'

/** The rules that hold at every moment, whatever breaks. */
export type Invariant =
  | 'no token is claimed twice'
  | 'a lease is only lost by a worker that was dead, frozen or cut off'
  | 'nobody works on a claim whose lease is over'
  | 'a suspect is given out alone and after its pause'
  | 'a suspect runs alone'
  | 'no object of an UPLOADED row is touched'
  | 'an UPLOADED row names its whole bytes'
  | 'an attempt is only spent on the file’s own fault'
  | 'attempts never exceed the limit'
  | 'a row is FAILED for a true reason'
  | 'what an earlier life stored is settled before its row is claimed anew'
  | 'nothing is lost'
  | 'every row ends once the faults are over'
  | 'a stop ends'
  | 'nothing is left after a stop'
  | 'a daemon starts'

export interface Violation {
  readonly invariant: Invariant
  readonly what: string
}

/** Watches everything that crosses the border of a process, knowing what no daemon can know. */
export interface Judge {
  readonly violations: Violation[]
  broken(invariant: Invariant, what: string): void
  /** A neutral probe was answered well. */
  probeWorked(process: SimulatedProcess, channel: Channel): void
  /** Something that can cost this process its leases without its fault. */
  incident(process: SimulatedProcess): void
  /** A request about that item leaves the process. */
  worksOn(process: SimulatedProcess, item: Item, what: string): void
  /** An object is about to be changed. */
  writes(process: SimulatedProcess, key: string, how: string): void
  /** Carries out a call of the database under watch. */
  watched<T>(process: SimulatedProcess, name: string, args: JsonObject, call: () => T): T
  /** The answer has reached the process. */
  told(process: SimulatedProcess, name: string, args: JsonObject, answer: unknown, sentAt: number): void
}

interface KnownClaim {
  readonly token: number
  until: number
}

/** Milliseconds between a lost lease and the next claim of its row, by how many it has lost. */
const PAUSES: readonly number[] = [0, 0, 30_000, 120_000, 480_000]

/** A process that wakes up may send what it had in hand before its timers tell it the time. */
const GRACE_MS = 1000

export function createJudge(world: World): Judge {
  const { time, trace, database } = world
  const violations: Violation[] = []
  const tokens = new Map<number, number>()
  const claimedBy = new Map<string, { readonly worker: string; readonly at: number }>()
  const incidents = new Map<string, number>()
  const probes = new Map<string, number>()
  const known = new Map<string, KnownClaim>()

  function broken(invariant: Invariant, what: string): void {
    violations.push({ invariant, what })
    trace.tell(`VIOLATION ${invariant}: ${what}`)
  }

  const claimOf = (process: SimulatedProcess, id: number) => `${process.name}/${id}`

  function checkClaims(process: SimulatedProcess, before: readonly AttachmentRow[], answer: unknown): void {
    const worker = world.workerOf(process)
    // Whoever was held or killed while it asked does not know what it has.
    if (process.state() !== 'running') incidents.set(worker, time.now())
    const claims = readClaims(answer)
    for (const { id, claim_token: token } of claims) {
      const row = before.find(each => each.id === id)
      if (row !== undefined) checkSuspect(row, claims.length)
      if (token <= (tokens.get(id) ?? 0)) broken('no token is claimed twice', `${id}-${token}`)
      tokens.set(id, token)
      if (row?.upload_status === 'UPLOADING') checkLoss(row, worker)
      claimedBy.set(`${id}-${token}`, { worker, at: time.now() })
    }
  }

  function checkSuspect(before: AttachmentRow, givenOut: number): void {
    const {
      id,
      lost_leases: lost,
      updated_at: now,
    } = database.rows().find(({ id }) => id === before.id) ?? before
    if (lost < 2) return
    trace.count('suspect claimed')
    const ended = before.upload_status === 'UPLOADING' ? (before.leased_until ?? before.updated_at) : 0
    const pause = PAUSES[lost] ?? 0
    if (givenOut === 1 && now - ended >= pause) return
    broken(
      'a suspect is given out alone and after its pause',
      `${id} lost ${lost}, among ${givenOut}, after ${now - ended} ms`,
    )
  }

  function checkAlone(process: SimulatedProcess, attachment: number): void {
    const worker = world.workerOf(process)
    const held = database.rows().filter(row => {
      const claim = known.get(claimOf(process, row.id))
      const isOurs = row.upload_status === 'UPLOADING' && row.leased_by === worker
      return isOurs && claim?.token === row.claim_token && claim.until > time.now()
    })
    const suspect = held.find(({ id }) => id === attachment)
    if (suspect === undefined || suspect.lost_leases < 2 || held.length === 1) return
    broken(
      'a suspect runs alone',
      `${process.name} holds ${held.map(({ id }) => id).join(', ')} for ${attachment}`,
    )
  }

  function checkLoss(row: AttachmentRow, taker: string): void {
    const name = `${row.id}-${row.claim_token}`
    trace.count('claim taken over')
    if (world.inheritedBy(taker)?.has(name) === true && row.leased_by === taker) {
      broken('what an earlier life stored is settled before its row is claimed anew', `${name} by ${taker}`)
    }
    if (row.leased_until === null) return
    const holder = claimedBy.get(name)
    if (holder === undefined || (incidents.get(holder.worker) ?? 0) >= holder.at) return
    broken(
      'a lease is only lost by a worker that was dead, frozen or cut off',
      `${name} of ${holder.worker}, taken by ${taker}`,
    )
  }

  function checkSettled(process: SimulatedProcess, args: JsonObject, answer: unknown): void {
    for (const { result, answer: said } of readSettled(args, answer)) {
      const name = `${result.id}-${result.claim_token}`
      const code = result.error_code ?? ''
      trace.count(`settled ${result.outcome} ${result.outcome === 'uploaded' ? '' : code} ${said}`)
      if (said !== 'applied') continue
      const item = world.itemOf(result.id)
      if (item === undefined) continue
      const since = claimedBy.get(name)?.at ?? 0
      if (result.outcome === 'uploaded') checkStored(item, result.object_key ?? '')
      else if (result.outcome === 'failed' && !item.truths.has(code)) {
        broken('a row is FAILED for a true reason', `${name} ${item.mediaId} (${item.fault}): ${code}`)
      } else if (result.outcome === 'retry' && !excused(process, item, since)) {
        broken('an attempt is only spent on the file’s own fault', `${name} ${item.mediaId}: ${code}`)
      }
    }
  }

  /** Whether the trouble of an attempt was the file's own, as far as the neutral probe can tell. */
  function excused(process: SimulatedProcess, item: Item, since: number): boolean {
    return item.troubles.some(({ at, channel, duringOutage }) => {
      if (at < since) return false
      return !duringOutage || (probes.get(`${process.name} ${channel}`) ?? -1) >= at
    })
  }

  function checkStored(item: Item, key: string): void {
    const object = world.objects.get(key)
    if (object?.sha256 === item.sha256) return
    broken(
      'an UPLOADED row names its whole bytes',
      `${key}: ${object === undefined ? 'no object' : 'other bytes'}`,
    )
  }

  function isInnocent({ id, error_code: code }: AttachmentRow): boolean {
    const fault = world.itemOf(id)?.fault
    if (code === 'worker_lost') return fault !== 'poison'
    return code === 'whatsapp_unavailable' && fault === 'none' && !world.muteMediaHost
  }

  function checkRows(): void {
    for (const row of database.rows()) {
      if (row.upload_attempts > row.max_attempts) broken('attempts never exceed the limit', String(row.id))
      if (row.upload_status !== 'FAILED' || world.failedInnocents.has(row.id) || !isInnocent(row)) continue
      world.failedInnocents.add(row.id)
      broken('a row is FAILED for a true reason', `${row.id}: ${row.error_code}, and the file is harmless`)
    }
  }

  return {
    violations,
    broken,
    probeWorked: (process, channel) => probes.set(`${process.name} ${channel}`, time.now()),
    incident: process => incidents.set(world.workerOf(process), time.now()),
    worksOn: (process, item, what) => {
      if (process.state() !== 'running' || item.attachment === null) return
      const claim = known.get(claimOf(process, item.attachment))
      const over = time.now() - Math.max(claim?.until ?? 0, world.thawedAt(process))
      if (over > GRACE_MS) {
        broken(
          'nobody works on a claim whose lease is over',
          `${process.name} ${what} ${item.mediaId}, ${over} ms`,
        )
      }
      checkAlone(process, item.attachment)
    },
    writes: (process, key, how) => {
      const row = database.rows().find(each => each.upload_status === 'UPLOADED' && each.object_key === key)
      if (row !== undefined)
        broken('no object of an UPLOADED row is touched', `${key} is ${how} by ${process.name}`)
    },
    watched: (process, name, args, call) => {
      const before = name === 'claim_attachments' ? database.rows() : []
      const answer = call()
      trace.tell(`${process.name} ${name} ${brief(name, args, answer)}`)
      if (name === 'claim_attachments') checkClaims(process, before, answer)
      if (name === 'settle_attachments') checkSettled(process, args, answer)
      checkRows()
      return answer
    },
    told: (process, name, args, answer, sentAt) => {
      if (name === 'claim_attachments') {
        for (const { id, claim_token: token } of readClaims(answer)) {
          known.set(claimOf(process, id), { token, until: sentAt + world.leaseMs })
        }
      } else if (name === 'renew_leases') {
        const { asked, held } = readRenewed(args, answer)
        for (const { id, claim_token: token } of asked) {
          const claim = known.get(claimOf(process, id))
          if (claim?.token !== token) continue
          claim.until = held.has(`${id}-${token}`)
            ? sentAt + world.leaseMs
            : Math.min(claim.until, time.now())
        }
      }
    },
  }
}

function brief(name: string, args: JsonObject, answer: unknown): string {
  if (name === 'attachments_after' || name === 'record_events') return ''
  if (name === 'claim_attachments') {
    return readClaims(answer)
      .map(({ id, claim_token: token }) => `${id}-${token}`)
      .join(' ')
  }
  if (name === 'settle_attachments') {
    return readSettled(args, answer)
      .map(
        ({ result, answer: said }) =>
          `${result.id}-${result.claim_token} ${result.outcome} ${result.error_code ?? ''} ${said}`,
      )
      .join(', ')
  }
  return JSON.stringify(answer)
}
