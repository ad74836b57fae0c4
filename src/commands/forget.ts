import ms from 'ms'
import type { Footprint } from '../database/upkeep.ts'
import { UserError } from '../errors.ts'
import { asTyped } from './called.ts'
import { whoAsks } from './pause.ts'
import { INTERRUPTED } from './stop-signal.ts'
import { oneLine, sizeText } from './terminal.ts'
import { openArchive, untilStopped } from './upkeep/archive.ts'
import { confirmed } from './upkeep/confirm.ts'
import { counted } from './upkeep/counted.ts'
import { type ForgetSteps, forgetLead } from './upkeep/forget-lead.ts'

export interface ForgetOptions {
  readonly lead: number
  readonly yes?: true
  readonly json?: true
}

/**
 * `mediaferry forget --lead ID`: nothing of that person is left in tables, rejects or Storage. Answers the exit code;
 * interrupted, or failed on the way, the same command goes on where it stopped.
 */
export async function forget({ lead: id, yes, json }: ForgetOptions): Promise<number> {
  const archive = openArchive()
  const { upkeep, storage, settings } = archive
  const say = (line: string) => json !== true && process.stdout.write(`${asTyped(line)}\n`)
  try {
    const lead = await upkeep.lead(id)
    if (lead === null) {
      throw new UserError(`There is no lead ${id}: it was never there, or is forgotten already.`, {
        hint: 'The lead of a file is in `mediaferry status ID --json`.',
      })
    }
    say(describe(id, lead))
    if (!(await confirmed('Erase all of this for good?', yes))) {
      say('Nothing was changed.')
      return 1
    }
    // Only from here on: at the question Ctrl-C means no.
    const signal = untilStopped()
    const counts = { files: 0, objects: 0 }
    let next = `\`mediaferry forget --lead ${id}\` goes on from here.`
    const steps: ForgetSteps = {
      stopped: () => say('1/5 stopped: no daemon can claim or settle these files any more'),
      waiting: wait => say(`2/5 waiting until no transfer can be live: ${ms(Math.ceil(wait / 1000) * 1000)}`),
      quiet: () => say('2/5 no transfer of them is live'),
      removed: (objects, files) => {
        counts.objects = objects
        say(`3/5 removed from Storage: ${counted(objects, 'object')} of ${counted(files, 'file')}`)
      },
      erased: files => {
        counts.files = files
        next = 'The rows are gone; `mediaferry verify --orphans` shows whether an object came late.'
        say(`4/5 erased: ${counted(files, 'file')} with every event, and the message ids`)
      },
      listedAgain: objects => {
        counts.objects += objects
        say(
          `5/5 listed once more: ${objects === 0 ? 'nothing is left' : `${counted(objects, 'late object')} removed too`}`,
        )
      },
    }
    try {
      const lanes = settings.CONCURRENCY
      await forgetLead(id, { upkeep, storage, lanes, signal, steps, by: whoAsks() })
    } catch (error) {
      process.stderr.write(asTyped(`Not finished. ${next}\n`))
      if (signal.aborted) return INTERRUPTED
      throw error
    }
    say(LAST_WORDS)
    if (json === true) process.stdout.write(`${JSON.stringify({ lead_id: id, ...counts })}\n`)
    return 0
  } finally {
    await archive.close()
  }
}

const LAST_WORDS = `A daemon that was frozen meanwhile removes what it still sends when it wakes up and learns that the claim is lost;
should it never do so, \`mediaferry verify --orphans\` finds the object. Backups and logs are not reached.`

function describe(id: number, lead: Footprint): string {
  const who = [lead.phone, lead.user_id, lead.profile_name]
    .filter(text => text !== null)
    .map(text => oneLine(text))
  const person = lead.forgetting ? 'whose forgetting has begun' : who.join(', ')
  const open = lead.open === 0 ? '' : `, ${lead.open} of them still on their way`
  return [
    `Lead ${id}: ${person}`,
    `  ${counted(lead.attachments, 'file')}${open} (${sizeText(lead.size_bytes)} in Storage), with every event of their stories`,
    `  ${counted(lead.messages, 'message id')} (keyed hashes stay, so that a redelivery is ignored)`,
    ...(lead.forgetting
      ? []
      : [`  ${counted(lead.rejected, 'rejected payload')} with the phone or user id in it`]),
  ].join('\n')
}
