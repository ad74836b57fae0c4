import { fromPromise, type PromiseActorLogic } from 'xstate'

/** An actor that a machine names and whoever runs the machine must bring, with `provide()`. */
export function required<Output, Input>(name: string): PromiseActorLogic<Output, Input> {
  return fromPromise<Output, Input>(() => Promise.reject(new Error(`no actor was provided for "${name}"`)))
}
