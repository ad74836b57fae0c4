import type { Owner, Time } from './time.ts'

export type ProcessState = 'running' | 'frozen' | 'dead'

/** A process of the simulated world, as the machine sees it: what runs in it can be held or cut off at any instant. */
export interface SimulatedProcess extends Owner {
  readonly name: string
  state(): ProcessState
  /** Runs something in it. */
  run<T>(work: () => T): T
  /** SIGKILL: from now on nothing of it happens any more. */
  die(): void
  /** SIGSTOP and SIGCONT. */
  freeze(): void
  thaw(): void
  /** Questions to the outside that have no answer yet. */
  readonly asking: Set<string>
}

export function createProcess(
  name: string,
  time: Time,
  shuffle: <T>(list: readonly T[]) => T[],
): SimulatedProcess {
  let state: ProcessState = 'running'
  let held: (() => void)[] = []

  const process: SimulatedProcess = {
    name,
    timers: new Set(),
    asking: new Set(),
    state: () => state,
    run: work => time.run(process, work),
    deliver: work => {
      if (state === 'running') time.run(process, work)
      else if (state === 'frozen') held.push(work)
    },
    die: () => {
      state = 'dead'
      held = []
      process.timers.clear()
      process.asking.clear()
    },
    freeze: () => {
      if (state === 'running') state = 'frozen'
    },
    thaw: () => {
      if (state !== 'frozen') return
      state = 'running'
      // Whether a late timer or a waiting answer comes first is the kernel's business.
      const waiting = shuffle(held)
      held = []
      for (const work of waiting) time.after(0, () => process.deliver(work))
    },
  }
  return process
}
