import { type Actor, createActor, fromPromise } from 'xstate'
import { type CircuitEmitted, circuitMachine } from '../../machines/circuit.ts'
import type { Dependency, Failure } from '../attachment.ts'

const DEPENDENCIES = ['whatsapp', 'storage', 'database'] as const

export interface CircuitsOptions {
  /** Asks a dependency whether it works at all; never with an attachment. Rejects with what `failureOf` reads. */
  readonly probes: Readonly<Record<Dependency, (signal: AbortSignal) => Promise<void>>>
  readonly failureOf: (error: unknown) => Failure
  readonly onChange: (change: CircuitEmitted) => void
  readonly random?: () => number
}

/** The three circuits as the dispatcher sees them. */
export interface Circuits {
  /** The first dependency that is down, or null when work may be claimed. */
  firstOpen(): Dependency | null
  /** `closed`, `open` or `probing` for each. */
  states(): Record<Dependency, string>
  /** What that dependency is out for; null while its circuit is closed. */
  outage(dependency: Dependency): CircuitOutage | null
  /** Milliseconds until that dependency is tried again. */
  waitMs(dependency: Dependency): number
  trip(dependency: Dependency, failure: Failure): void
  /**
   * True when the dependency answers its probe. All who ask while one probe runs share it: a hundred lanes that
   * fail at once are one question. While the circuit is not closed the answer is no, and nothing is asked: the
   * circuit probes by itself, at the time that the dependency has named.
   */
  works(dependency: Dependency): Promise<boolean>
  /** Settles when that circuit is closed; rejects when the signal is aborted, or the circuits are stopped. */
  closed(dependency: Dependency, signal: AbortSignal): Promise<void>
  stop(): void
}

export interface CircuitOutage {
  readonly code: string
  readonly message: string
  readonly since: Date
  /** Probes sent in this outage. */
  readonly probes: number
}

export function startCircuits(options: CircuitsOptions): Circuits {
  const running = new Map<Dependency, Promise<boolean>>()
  const stopped = new AbortController()
  const since = new Map<Dependency, Date>()
  const onChange = (change: CircuitEmitted): void => {
    if (change.type === 'opened') since.set(change.dependency, new Date())
    options.onChange(change)
  }
  const actors = {
    whatsapp: startCircuit('whatsapp', { ...options, onChange }),
    storage: startCircuit('storage', { ...options, onChange }),
    database: startCircuit('database', { ...options, onChange }),
  }

  const stateOf = (dependency: Dependency): string => String(actors[dependency].getSnapshot().value)

  async function ask(dependency: Dependency): Promise<boolean> {
    try {
      await options.probes[dependency](stopped.signal)
      if (stopped.signal.aborted) return false
      actors[dependency].send({ type: 'PROBE_OK' })
      return true
    } catch (error) {
      if (!stopped.signal.aborted)
        actors[dependency].send({ type: 'TRIP', failure: options.failureOf(error) })
      return false
    }
  }

  return {
    firstOpen: () => DEPENDENCIES.find(dependency => stateOf(dependency) !== 'closed') ?? null,
    states: () => ({
      whatsapp: stateOf('whatsapp'),
      storage: stateOf('storage'),
      database: stateOf('database'),
    }),
    outage: dependency => {
      const { outage, probes } = actors[dependency].getSnapshot().context
      if (outage === null) return null
      return {
        code: outage.code,
        message: outage.message,
        since: since.get(dependency) ?? new Date(),
        probes,
      }
    },
    waitMs: dependency => actors[dependency].getSnapshot().context.waitMs,
    trip: (dependency, failure) => actors[dependency].send({ type: 'TRIP', failure }),
    works: async dependency => {
      if (stopped.signal.aborted || stateOf(dependency) !== 'closed') return false
      const already = running.get(dependency)
      if (already !== undefined) return already
      const question = ask(dependency).finally(() => running.delete(dependency))
      running.set(dependency, question)
      return question
    },
    closed: (dependency, signal) => whenClosed(actors[dependency], signal),
    stop: () => {
      stopped.abort()
      for (const dependency of DEPENDENCIES) actors[dependency].stop()
    },
  }
}

function startCircuit(dependency: Dependency, options: CircuitsOptions) {
  const probe = fromPromise<void, { dependency: Dependency }>(({ signal }) =>
    options.probes[dependency](signal),
  )
  const actor = createActor(circuitMachine.provide({ actors: { probe } }), {
    input: { dependency, failureOf: options.failureOf, random: options.random ?? Math.random },
  })
  actor.on('*', options.onChange)
  return actor.start()
}

function whenClosed(actor: Actor<typeof circuitMachine>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const { status, value } = actor.getSnapshot()
    if (signal.aborted) return reject(signal.reason)
    if (status !== 'active') return reject(new Error(STOPPED))
    if (value === 'closed') return resolve()
    const done = () => {
      subscription.unsubscribe()
      signal.removeEventListener('abort', aborted)
    }
    const aborted = () => {
      done()
      reject(signal.reason)
    }
    const subscription = actor.subscribe({
      next: snapshot => {
        if (snapshot.status !== 'active' || snapshot.value !== 'closed') return
        done()
        resolve()
      },
      complete: () => {
        done()
        reject(new Error(STOPPED))
      },
    })
    signal.addEventListener('abort', aborted)
  })
}

const STOPPED = 'the circuits were stopped'
