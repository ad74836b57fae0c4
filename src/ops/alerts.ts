import type { CircuitEmitted } from '../../machines/circuit.ts'
import type { Dependency } from '../attachment.ts'
import type { Log } from '../log.ts'

/** What somebody should be told of who is not looking. */
export interface Alert {
  readonly alert: 'credentials' | 'circuit_open' | 'files_expiring'
  /** What is wrong, in a sentence. */
  readonly text: string
  readonly advice: string
}

/** As the database has it: `alert` also names the dependency, so that an outage of one silences no other's. */
export type Raised = Omit<Alert, 'alert'> & { readonly alert: string }

export interface AlertsOptions {
  /** `raise_alert`: false when somebody was told of the same within `quietMs`. */
  readonly raise: (raised: Raised, quietMs: number) => Promise<boolean>
  /** `expiring_attachments`: open rows that Meta deletes within a day. */
  readonly expiring: () => Promise<{ readonly count: number; readonly soonest: string | null }>
  /** Tells the people. Rejects when it could not. */
  readonly post: (alert: Alert) => Promise<void>
  readonly log: Log
}

export interface Alerts {
  circuit(change: CircuitEmitted): void
  stop(): void
}

/** An outage that is over by then woke nobody. */
export const LONG_OPEN_MS = 5 * 60_000
/** How often we look for files that are about to expire, and how soon after the start for the first time. */
export const LOOK_MS = 15 * 60_000
const FIRST_LOOK_MS = 10_000
/** The same alert is not repeated before: a night's outage is one message, a week's a few each day. */
const QUIET_MS = 6 * 3_600_000
/** Whoever was not reached is not told by anybody else meanwhile. */
export const AGAIN_MS = 5 * 60_000

/** Codes that no waiting mends: whoever can make a new key is told at once. */
const CREDENTIALS = new Set(['token_rejected', 'credentials'])

/** Raises an alert when a token dies, when a circuit stays open, and when files are about to expire. */
export function startAlerts({ raise, expiring, post, log }: AlertsOptions): Alerts {
  const waiting = new Map<Dependency, NodeJS.Timeout>()
  const undelivered = new Map<string, NodeJS.Timeout>()
  let stopped = false
  const firstLook = setTimeout(() => void look(), FIRST_LOOK_MS)
  const looks = setInterval(() => void look(), LOOK_MS)

  async function tell(alert: Alert, dependency?: Dependency): Promise<void> {
    log.error({ alert: alert.alert, advice: alert.advice }, alert.text)
    const name = dependency === undefined ? alert.alert : `${alert.alert} ${dependency}`
    // With the database away every daemon speaks for itself: told twice is better than not at all.
    const first = await raise({ ...alert, alert: name }, QUIET_MS).catch(() => true)
    if (first) await deliver(alert, dependency ?? name, QUIET_MS / AGAIN_MS)
  }

  async function deliver(alert: Alert, about: string, tries: number): Promise<void> {
    try {
      await post(alert)
    } catch (err) {
      log.warn({ err, alert: alert.alert }, 'the alert was not delivered')
      if (stopped || tries <= 1) return
      clearTimeout(undelivered.get(about))
      undelivered.set(
        about,
        setTimeout(() => void deliver(alert, about, tries - 1), AGAIN_MS),
      )
    }
  }

  async function look(): Promise<void> {
    try {
      const { count, soonest } = await expiring()
      if (count > 0) await tell(expiringAlert(count, soonest))
    } catch (err) {
      log.debug({ err }, 'files about to expire could not be counted')
    }
  }

  return {
    circuit: change => {
      for (const timers of [waiting, undelivered]) {
        clearTimeout(timers.get(change.dependency))
        timers.delete(change.dependency)
      }
      if (change.type === 'closed') return
      const { dependency, code, message, advice } = change
      if (CREDENTIALS.has(code)) {
        void tell(
          { alert: 'credentials', text: `${dependency} refuses our credentials: ${message}`, advice },
          dependency,
        )
        return
      }
      const text = `${dependency} has not worked for ${LONG_OPEN_MS / 60_000} minutes: ${message}`
      const timer = setTimeout(
        () => void tell({ alert: 'circuit_open', text, advice }, dependency),
        LONG_OPEN_MS,
      )
      waiting.set(dependency, timer)
    },
    stop: () => {
      stopped = true
      clearTimeout(firstLook)
      clearInterval(looks)
      for (const timer of [...waiting.values(), ...undelivered.values()]) clearTimeout(timer)
    },
  }
}

function expiringAlert(count: number, soonest: string | null): Alert {
  const files = count === 1 ? '1 file is' : `${count} files are`
  return {
    alert: 'files_expiring',
    text: `${files} not carried yet, and WhatsApp deletes the first at ${soonest ?? 'any moment'}.`,
    advice: 'Run `mediaferry status` and `mediaferry doctor`: they say what keeps them back.',
  }
}
