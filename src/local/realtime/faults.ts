import type { Clock } from './clock.ts'

/** What each fault can be told; durations in milliseconds. */
export interface FaultOptions {
  /** Sockets are destroyed and connections refused until it is cleared: close 1006 for the client. */
  killed: object
  /** Sockets are closed with 1012 and connections refused until it is cleared. */
  stopped: object
  /** Connections are accepted, nothing is answered or delivered; at the end all of it happens, late. */
  frozen: object
  /** Joined, heartbeats answered, no events; ends by itself after `forMs`, or when it is cleared. */
  deaf: { forMs?: number }
  /** Every present subscription is dead for good; only a new join or a new access token gets a living one. */
  'deaf-forever': object
  /** The same for the server whose subscription rows were deleted. */
  'subscriptions-deleted': object
  /** Delivers for a while, drops for a while, in turns. */
  dropping: { deliverMs: number; dropMs: number }
  /** Replies to joins at once, but listens only `systemAfterMs` later; clearing it lets all listen at once. */
  'cold-start': { systemAfterMs: number }
  /** Each channel is closed by the server; the sockets stay. `message` comes before in a `system` error frame. */
  'phx-close': { message?: string }
  /** Over `perSecond` events a second on average in one window, the next window is dropped. */
  'rate-limit': { perSecond: number; windowMs?: number }
}

export type FaultName = keyof FaultOptions

/** What the switches do to the rest of the server. */
export interface FaultTargets {
  destroySockets(): void
  closeSockets(code: number): void
  freeze(): void
  thaw(): void
  killSubscriptions(): void
  closeChannels(message: string | undefined): void
  endColdStarts(): void
}

/** The switches, for whoever runs the server. */
export interface Faults {
  /** Switches a fault on; faults add up. */
  apply<Name extends FaultName>(name: Name, options: FaultOptions[Name]): void
  /** Ends one fault, or all. What was done to channels and subscriptions stays done. */
  clear(name?: FaultName): void
  /** The faults that last and are on. */
  active(): FaultName[]
}

/** The faults as the server asks after them. */
export interface FaultState extends Faults {
  readonly refusing: boolean
  readonly frozen: boolean
  /** How long a join must wait for its subscription; undefined without a cold start. */
  readonly coldStartMs: number | undefined
  /** Whether one event to one channel goes out now; counts it. */
  delivers(): boolean
}

type Filter = () => boolean

const RATE_WINDOW_MS = 5000

export function createFaults(clock: Clock, targets: FaultTargets): FaultState {
  const lasting = new Map<FaultName, { end?: () => void; delivers?: Filter }>()
  let coldStartMs: number | undefined

  function switchOn(name: FaultName, effect: { end?: () => void; delivers?: Filter } = {}): void {
    lasting.get(name)?.end?.()
    lasting.set(name, effect)
  }

  function clear(name: FaultName): void {
    const effect = lasting.get(name)
    if (lasting.delete(name)) effect?.end?.()
  }

  const switches: { [Name in FaultName]: (options: FaultOptions[Name]) => void } = {
    killed() {
      switchOn('killed')
      targets.destroySockets()
    },
    stopped() {
      switchOn('stopped')
      targets.closeSockets(1012)
    },
    frozen() {
      switchOn('frozen', { end: () => targets.thaw() })
      targets.freeze()
    },
    deaf({ forMs }) {
      const cancel = forMs === undefined ? undefined : clock.after(forMs, () => clear('deaf'))
      switchOn('deaf', { delivers: () => false, ...(cancel === undefined ? {} : { end: cancel }) })
    },
    'deaf-forever': () => targets.killSubscriptions(),
    'subscriptions-deleted': () => targets.killSubscriptions(),
    dropping({ deliverMs, dropMs }) {
      const start = clock.now()
      switchOn('dropping', { delivers: () => (clock.now() - start) % (deliverMs + dropMs) < deliverMs })
    },
    'cold-start'({ systemAfterMs }) {
      const end = (): void => {
        coldStartMs = undefined
        targets.endColdStarts()
      }
      switchOn('cold-start', { end })
      coldStartMs = systemAfterMs
    },
    'phx-close': ({ message }) => targets.closeChannels(message),
    'rate-limit': options => switchOn('rate-limit', { delivers: rateLimit(clock, options) }),
  }

  return {
    apply: (name, options) => switches[name](options),
    clear(name) {
      for (const one of name === undefined ? [...lasting.keys()] : [name]) clear(one)
    },
    active: () => [...lasting.keys()],
    get refusing() {
      return lasting.has('killed') || lasting.has('stopped')
    },
    get frozen() {
      return lasting.has('frozen')
    },
    get coldStartMs() {
      return coldStartMs
    },
    delivers() {
      for (const { delivers } of lasting.values()) if (delivers?.() === false) return false
      return true
    },
  }
}

/**
 * Windows that are dropped whole, as recorded: 200 events/s against a limit of 100 came through for 5 s and
 * were lost for 5 s, in turns; a dropped window counts as empty.
 */
function rateLimit(clock: Clock, options: FaultOptions['rate-limit']): Filter {
  const windowMs = options.windowMs ?? RATE_WINDOW_MS
  const most = (options.perSecond * windowMs) / 1000
  let window = Math.floor(clock.now() / windowMs)
  let [count, dropping] = [0, false]
  return () => {
    const now = Math.floor(clock.now() / windowMs)
    if (now !== window) [window, dropping, count] = [now, now === window + 1 && count > most, 0]
    if (!dropping) count++
    return !dropping
  }
}
