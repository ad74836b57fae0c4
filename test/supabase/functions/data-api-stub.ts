import { once } from 'node:events'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import type { IngestMessage, IngestReject } from '../../../supabase/functions/whatsapp-webhook/batch.ts'

export interface RecordedCall {
  readonly path: string
  readonly apikey: string | undefined
  readonly messages: readonly IngestMessage[]
  readonly rejected: readonly IngestReject[]
}

export interface DataApiStub {
  readonly url: string
  readonly calls: RecordedCall[]
  /** How the next calls are answered: as the database does, as when it fails, with a closed connection, or not at all. */
  behaviour: 'ok' | 'error' | 'hang-up' | 'nonsense' | 'silence'
  stop(): Promise<void>
}

/** Stands for a project's Data API: records each call and answers as PostgREST would. */
export async function startDataApiStub(): Promise<DataApiStub> {
  const server = createServer(async (request, response) => {
    const body = readCall(await json(request))
    stub.calls.push({ path: request.url ?? '', apikey: request.headers.apikey?.toString(), ...body })
    const answer = (status: number, value: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (stub.behaviour === 'silence') return
    if (stub.behaviour === 'hang-up') return void request.socket.destroy()
    if (stub.behaviour === 'nonsense') return void answer(200, null)
    if (stub.behaviour === 'error') {
      return void answer(503, {
        code: 'PGRST000',
        message: 'Could not connect: secret detail',
        details: null,
        hint: null,
      })
    }
    const messages = body.messages.map(({ message_id }) => ({
      message_id,
      outcome: 'new',
      attachment_id: null,
    }))
    answer(200, { messages })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const stub: DataApiStub = {
    url: `http://127.0.0.1:${address.port}`,
    calls: [],
    behaviour: 'ok',
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return stub
}

function readCall(body: unknown): Pick<RecordedCall, 'messages' | 'rejected'> {
  if (typeof body !== 'object' || body === null || !('messages' in body) || !('rejected' in body)) {
    throw new Error('not the arguments of ingest_whatsapp_messages')
  }
  const { messages, rejected } = body
  if (!Array.isArray(messages) || !Array.isArray(rejected)) throw new Error('messages and rejected are lists')
  return { messages, rejected }
}
