import assert from 'node:assert/strict'
import {
  type AnyStateMachine,
  type AnyStateNode,
  fromPromise,
  type PromiseActorLogic,
  type SnapshotFrom,
} from 'xstate'
import { getAdjacencyMap, getSimplePaths } from 'xstate/graph'

/** One call of a provided actor, held open until the test answers it. */
export interface Call<Input, Output> {
  readonly input: Input
  readonly signal: AbortSignal
  readonly resolve: (output: Output) => void
  readonly reject: (error: unknown) => void
}

/** An actor whose every call waits for the test: `calls` has them all, oldest first. */
export function held<Output, Input>(): {
  readonly logic: PromiseActorLogic<Output, Input>
  readonly calls: Call<Input, Output>[]
  last(): Call<Input, Output>
  /** The calls that were neither answered nor aborted. */
  open(): number
} {
  const calls: Call<Input, Output>[] = []
  const answered = new Set<AbortSignal>()
  return {
    calls,
    open: () => calls.filter(({ signal }) => !signal.aborted && !answered.has(signal)).length,
    logic: fromPromise<Output, Input>(
      ({ input, signal }) =>
        new Promise((resolve, reject) => {
          calls.push({
            input,
            signal,
            resolve(output) {
              answered.add(signal)
              resolve(output)
            },
            reject(error) {
              answered.add(signal)
              reject(error)
            },
          })
        }),
    ),
    last() {
      const call = calls.at(-1)
      assert.ok(call, 'the actor was never called')
      return call
    },
  }
}

/** Lets every promise that is already settled be noticed. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

type Events = readonly ({ readonly type: string } & Readonly<Record<string, unknown>>)[]

/** How a machine is walked: what it starts with, what can happen, and which snapshots count as the same. */
export interface Walk<M extends AnyStateMachine> {
  readonly input: unknown
  readonly events: Events
  readonly identity: (snapshot: SnapshotFrom<M>) => unknown
}

function options<M extends AnyStateMachine>({ input, events, identity }: Walk<M>) {
  return {
    input,
    events: [...events],
    serializeState: (snapshot: SnapshotFrom<AnyStateMachine>) =>
      JSON.stringify(identity(snapshot as SnapshotFrom<M>)),
  }
}

/** Every path from the start that comes through no state twice. */
export function simplePaths<M extends AnyStateMachine>(machine: M, walk: Walk<M>) {
  return getSimplePaths(machine as AnyStateMachine, options(walk))
}

/**
 * Sends every event in every reachable state. Returns what the definition names and nobody ever took or reached:
 * transitions as "state: event [n]", states by their id.
 */
export function neverSeen<M extends AnyStateMachine>(machine: M, walk: Walk<M>): string[] {
  const missing = new Map<object, string>()
  const visit = (node: AnyStateNode): void => {
    missing.set(node, node.id)
    for (const [event, candidates] of node.transitions) {
      for (const [index, candidate] of candidates.entries()) {
        missing.set(candidate, `${node.id}: ${event} [${index}]`)
      }
    }
    for (const child of Object.values(node.states)) visit(child)
  }
  visit(machine.root)
  for (const { state } of Object.values(getAdjacencyMap(machine as AnyStateMachine, options(walk)))) {
    for (const node of state._nodes) missing.delete(node)
    if (state.status !== 'active') continue
    for (const event of walk.events) {
      for (const taken of machine.getTransitionData(state, event)) missing.delete(taken)
    }
  }
  return [...missing.values()]
}
