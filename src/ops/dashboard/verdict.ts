import { count, plural, serviceName } from './format.ts'
import type { Summary } from './wire.ts'

export interface Verdict {
  readonly tone: 'good' | 'wait' | 'bad'
  readonly title: string
  readonly lines: readonly string[]
}

/** One sentence for whoever looks for two seconds. What is down comes before what is merely slower. */
export function verdict(summary: Summary): Verdict {
  const { circuits, counts, expiring_24h, paused, ready } = summary
  const open = circuits.filter(({ state }) => state !== 'closed')
  const waiting = counts.PENDING + counts.UPLOADING
  const expiring =
    expiring_24h === 0 ? [] : [`${plural(expiring_24h, 'file')} will be deleted at Meta within 24 hours.`]
  if (open.length > 0) {
    const names = open.map(({ dependency }) => serviceName(dependency)).join(' and ')
    const verb = open.length === 1 ? 'is' : 'are'
    const cost = `${plural(waiting, 'file')} ${waiting === 1 ? 'waits' : 'wait'}. No attempt is used up by this.`
    if (ready.status !== 'down')
      return {
        tone: 'wait',
        title: `Resting: ${names} ${open.length === 1 ? 'asks' : 'ask'} for fewer requests`,
        lines: [cost, ...expiring],
      }
    return {
      tone: 'bad',
      title: `Nothing is carried: ${names} ${verb} not usable`,
      lines: [cost, ...expiring],
    }
  }
  if (ready.status === 'down') {
    return { tone: 'bad', title: 'This daemon carries nothing', lines: [...ready.reasons, ...expiring] }
  }
  if (paused !== null) {
    const reason = paused.reason === null ? [] : [`Reason given: ${paused.reason}`]
    return { tone: 'wait', title: 'Paused: nothing new is claimed', lines: [...reason, ...expiring] }
  }
  if (ready.status === 'degraded') {
    return {
      tone: 'wait',
      title: 'Files are carried, but something is wrong',
      lines: [...ready.reasons, ...expiring],
    }
  }
  const failed =
    counts.FAILED === 0
      ? []
      : [
          `${plural(counts.FAILED, 'file')} failed and ${counts.FAILED === 1 ? 'needs' : 'need'} somebody to look.`,
        ]
  const still = counts.FAILED === 0 ? 'Every file has arrived' : 'No file is waiting'
  const title = waiting === 0 ? still : `Files are arriving, ${count(waiting)} on the way`
  return { tone: expiring.length > 0 ? 'wait' : 'good', title, lines: [...failed, ...expiring] }
}
