import { createHash } from 'node:crypto'
import { createClient } from '@supabase/supabase-js'
import PQueue from 'p-queue'
import pg from 'pg'
import { request } from 'undici'
import { describeError } from '../errors.ts'
import type { LocalProject } from '../local/project.ts'
import type { SentMessage } from './deliver.ts'

export interface Comparison {
  readonly verified: number
  /** One line for each message whose object is missing or differs. */
  readonly differences: readonly string[]
}

/**
 * Downloads every object through a signed URL, as the business's own application would, and compares its bytes
 * with what was sent. Objects are hashed as they pass.
 */
export async function compare(project: LocalProject, sent: readonly SentMessage[]): Promise<Comparison> {
  const keys = await objectKeys(project.databaseUrl, sent)
  const storage = createClient(project.url, project.keys.secret).storage.from('attachments')
  const queue = new PQueue({ concurrency: 4 })
  const differences: string[] = []
  await Promise.all(
    sent.map(message =>
      queue.add(async () => {
        const key = keys.get(message.messageId)
        if (key === undefined) return void differences.push(`${message.label}: not uploaded`)
        try {
          const { data, error } = await storage.createSignedUrl(key, 60)
          if (error !== null) throw error
          const found = await hashOf(data.signedUrl)
          if (found.sha256 === message.sha256 && found.size === message.sizeBytes) return
          differences.push(`${message.label}: ${found.size} bytes with another content at ${key}`)
        } catch (error) {
          differences.push(`${message.label}: ${describeError(error)}`)
        }
      }),
    ),
  )
  return { verified: sent.length - differences.length, differences }
}

async function objectKeys(databaseUrl: string, sent: readonly SentMessage[]): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ message_id: string; object_key: string }>(
      `select message_id, object_key from public.attachments
       where message_id = any ($1) and upload_status = 'UPLOADED'`,
      [sent.map(message => message.messageId)],
    )
    return new Map(rows.map(row => [row.message_id, row.object_key]))
  } finally {
    await client.end()
  }
}

async function hashOf(url: string): Promise<{ sha256: string; size: number }> {
  const { statusCode, body } = await request(url)
  if (statusCode !== 200)
    throw new Error(`Storage answered ${statusCode}: ${(await body.text()).slice(0, 200)}`)
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of body) {
    hash.update(chunk)
    size += chunk.length
  }
  return { sha256: hash.digest('hex'), size }
}
