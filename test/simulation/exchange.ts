import type { Dependency } from '../../src/attachment.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

export interface Question<T> {
  readonly dependency: Dependency
  readonly what: string
  /** Which of its hosts, where there are several. */
  readonly host?: string
  readonly signal: AbortSignal
  /** Milliseconds after which the asker gives up by itself. */
  readonly patience?: number
  /** Carried out when, and if, the request arrives. */
  readonly carryOut: () => T
  /** The asker learns this, and no answer of the service. */
  readonly onNoAnswer?: (duringOutage: boolean) => void
  /** The asker has the answer. */
  readonly onAnswer?: (answer: T) => void
}

/**
 * A request from a process to a service, and the answer back. Either way can be cut off: the effect may have happened
 * without an answer, or not have happened. A process that dies meanwhile learns nothing.
 */
export function exchange<T>(world: World, process: SimulatedProcess, question: Question<T>): Promise<T> {
  const { time, weather, random, trace } = world
  const { dependency, what, signal, carryOut } = question
  return new Promise<T>((resolve, reject) => {
    if (process.state() === 'dead') return
    if (signal.aborted) return reject(signal.reason)
    const label = `${what} #${world.number()}`
    process.asking.add(label)
    let open = true
    const end = () => {
      open = false
      process.asking.delete(label)
      signal.removeEventListener('abort', aborted)
    }
    const aborted = () => {
      if (!open) return
      end()
      reject(signal.reason)
    }
    signal.addEventListener('abort', aborted)

    const answer = (hand: () => void) =>
      time.after(weather.travel(dependency, process.name), () =>
        process.deliver(() => {
          if (!open) return
          end()
          hand()
        }),
      )
    const fail = (code: string) => {
      question.onNoAnswer?.(weather.outage(dependency, process.name) !== undefined)
      answer(() => reject(Object.assign(new Error(`simulated ${code}`), { code })))
    }

    time.after(weather.travel(dependency, process.name), () => {
      // Whoever hung up or died meanwhile had sent it, or had not yet.
      if ((!open || process.state() === 'dead') && random.chance(0.5)) return
      const fate = weather.fate(dependency, process.name, question.host)
      if (fate !== 'carried') trace.tell(`${process.name} ${what} is ${fate}`)
      else if (dependency !== 'database') trace.tell(`${process.name} ${what}`)
      if (fate === 'refused') return fail('ECONNREFUSED')
      if (fate === 'hanging') {
        question.onNoAnswer?.(weather.outage(dependency, process.name) !== undefined)
        if (random.chance(0.5)) carryOut()
        return
      }
      const answered = carryOut()
      if (fate === 'lost') return fail('ECONNRESET')
      answer(() => {
        question.onAnswer?.(answered)
        resolve(answered)
      })
    })
    if (question.patience !== undefined) {
      time.after(question.patience, () =>
        process.deliver(() => {
          if (!open) return
          end()
          reject(Object.assign(new Error('simulated timeout'), { code: 'UND_ERR_HEADERS_TIMEOUT' }))
        }),
      )
    }
  })
}
