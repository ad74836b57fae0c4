import { hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { DEFAULT_TIMEOUTS } from '../../src/transfer/config.ts'
import type { Http, StreamingRequest } from '../../src/transfer/http.ts'
import { isRecord } from '../../src/transfer/rate-headers.ts'
import { asAnswer, httpBy, json, type Reply } from './answers.ts'
import { exchange } from './exchange.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

export interface StoredBytes {
  readonly bytes: Buffer
  readonly sha256: string
  readonly contentType: string
}

const failure = (status: number, code: string, message = 'simulated', headers = {}): Reply =>
  json(400, { statusCode: String(status), error: code, code, message }, headers)

const PREFIX = '/storage/v1'
const BUCKET = 'attachments'

/** Storage, as one process reaches it. */
export function storageFor(world: World, process: SimulatedProcess, closed: AbortSignal): Http {
  const { objects } = world

  return httpBy(async request => {
    const path = request.path.slice(PREFIX.length)
    const body = await read(request.body)
    const attachment = attachmentIn(`${path} ${/^\/object\/(?:move|list)/.test(path) ? body.toString() : ''}`)
    const item = attachment === undefined ? undefined : world.itemOf(attachment)
    const own = isProbe(path, body)
    const what = `${request.method} ${own ? 'probe' : path} ${path.includes('/list/') || request.method === 'DELETE' ? (own ? '' : body.toString()) : ''}`
    const trouble = (duringOutage: boolean) =>
      item?.troubles.push({ at: world.time.now(), channel: 'storage', duringOutage })
    const writes = request.method === 'POST' && path.startsWith('/object/') && !path.includes('/list/')
    if (item !== undefined && writes) world.judge.worksOn(process, item, 'stores')
    const answered = await exchange(world, process, {
      dependency: 'storage',
      what: what.trim(),
      signal: AbortSignal.any([request.signal, closed]),
      patience: DEFAULT_TIMEOUTS.answerMs,
      onNoAnswer: trouble,
      carryOut: () => {
        const kind = world.weather.outage('storage', process.name)?.kind
        const general = generalTrouble(kind)
        if (general !== undefined) {
          trouble(true)
          return general
        }
        return carryOut(request, path, body)
      },
      onAnswer: said => {
        if (own && request.method === 'DELETE' && said.status === 200)
          world.judge.probeWorked(process, 'storage')
      },
    })
    return asAnswer(answered)
  })

  function generalTrouble(kind: string | undefined): Reply | undefined {
    switch (kind) {
      case 'error':
        return failure(500, 'InternalError')
      case 'rate':
        return failure(429, 'SlowDown', 'simulated', { 'retry-after': String(world.random.between(1, 30)) })
      case 'refused':
        return failure(403, 'AccessDenied')
      case 'bucket':
        return failure(404, 'NoSuchBucket', 'Bucket not found')
      case 'quota':
        return failure(402, '', 'quota')
      default:
        return undefined
    }
  }

  function carryOut(request: StreamingRequest, path: string, body: Buffer): Reply {
    const key = path.replace(/^\/object\/(?:info\/)?attachments\//, '')
    if (path.startsWith('/bucket/')) return json(200, { id: BUCKET, name: BUCKET })
    if (path === '/object/move') return move(body)
    if (path.startsWith('/object/list/')) return list(body)
    if (request.method === 'DELETE') return remove(body)
    const there = objects.get(key)
    if (request.method === 'POST') {
      if (there !== undefined) return failure(409, 'KeyAlreadyExists')
      world.judge.writes(process, key, 'written')
      const contentType = request.headers['content-type'] ?? ''
      objects.set(key, { bytes: body, sha256: hash('sha256', body, 'hex'), contentType })
      world.trace.tell(`         object ${nameOf(key)} is there`)
      return json(200, { Key: `${BUCKET}/${key}`, Id: 'simulated' })
    }
    if (there === undefined) return failure(404, 'NoSuchKey', 'Object not found')
    if (path.startsWith('/object/info/')) return json(200, { size: there.bytes.length })
    return { status: 200, bytes: there.bytes, headers: { 'content-type': there.contentType } }
  }

  function move(body: Buffer): Reply {
    const { sourceKey, destinationKey } = parsed(body)
    const there = objects.get(String(sourceKey))
    if (there === undefined) return failure(404, 'NoSuchKey', 'Object not found')
    if (objects.has(String(destinationKey))) return failure(409, 'KeyAlreadyExists')
    world.judge.writes(process, String(sourceKey), 'moved away')
    objects.delete(String(sourceKey))
    objects.set(String(destinationKey), there)
    world.trace.count('object moved')
    world.trace.tell(`         object ${sourceKey} is now ${destinationKey}`)
    return json(200, { message: 'Successfully moved' })
  }

  function remove(body: Buffer): Reply {
    for (const key of keysIn(body)) {
      world.judge.writes(process, key, 'deleted')
      if (objects.delete(key)) world.trace.tell(`         object ${nameOf(key)} is deleted`)
    }
    return json(200, [])
  }

  function list(body: Buffer): Reply {
    const { prefix, search } = parsed(body)
    const start = `${prefix}/${search}`
    const names = [...objects.keys()].filter(key => key.startsWith(start)).sort()
    return json(
      200,
      names.map(key => ({ name: key.slice(`${prefix}/`.length), id: 'simulated' })),
    )
  }
}

const nameOf = (key: string) => (key.startsWith('.probe/') ? 'probe' : key)

const isProbe = (path: string, body: Buffer): boolean =>
  path.startsWith('/bucket/') || path.includes('/.probe/') || body.toString().includes('".probe/')

/** The attachment that a key belongs to. */
function attachmentIn(text: string): number | undefined {
  const found = /\/(\d+)-\d+\.\w+|"search":"(\d+)-"/.exec(text)?.slice(1).find(Boolean)
  return found === undefined ? undefined : Number(found)
}

function keysIn(body: Buffer): string[] {
  const { prefixes } = parsed(body)
  return Array.isArray(prefixes) ? prefixes.map(String) : []
}

function parsed(body: Buffer): Record<string, unknown> {
  const content: unknown = JSON.parse(body.toString())
  return isRecord(content) ? content : {}
}

async function read(body: string | Buffer | Readable | null | undefined): Promise<Buffer> {
  if (body === null || body === undefined) return Buffer.alloc(0)
  if (typeof body === 'string' || Buffer.isBuffer(body)) return Buffer.from(body)
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
