import type { LocalProject } from '../local/project.ts'
import type { Sample } from '../local/samples/index.ts'
import { PHONE_NUMBER_ID } from '../local/whatsapp/index.ts'
import { messageWith } from '../local/whatsapp/send.ts'

/** A message that was delivered, and what must arrive for it. */
export interface SentMessage {
  readonly messageId: string
  readonly label: string
  readonly sizeBytes: number
  /** 64 hex digits. */
  readonly sha256: string
}

/** Few enough that a POST is a batch as Meta sends it, many enough that 200 pictures are a handful of them. */
const MESSAGES_PER_POST = 50

/**
 * Leaves every sample with WhatsApp and delivers the messages in signed POSTs. Throws when the webhook does not
 * answer 200, since WhatsApp would then deliver again for a week.
 */
export async function deliver(
  project: LocalProject,
  samples: readonly Sample[],
  from: string,
): Promise<SentMessage[]> {
  const sent: SentMessage[] = []
  for (let at = 0; at < samples.length; at += MESSAGES_PER_POST) {
    const page = samples.slice(at, at + MESSAGES_PER_POST)
    const messages = await Promise.all(
      page.map(async sample => {
        const kept = await project.whatsapp.media.add({ source: sample.source, mimeType: sample.mimeType })
        const message = messageWith(sample, kept, { from, profileName: 'Demo Customer' })
        const { label } = sample
        sent.push({ messageId: message.id, label, sizeBytes: sample.source.size, sha256: kept.sha256 })
        return message
      }),
    )
    const { status, text } = await project.whatsapp.send({
      url: project.webhookUrl,
      phoneNumberId: PHONE_NUMBER_ID,
      messages,
    })
    if (status !== 200) throw new Error(`The webhook answered ${status}: ${text.slice(0, 200)}`)
  }
  return sent
}
