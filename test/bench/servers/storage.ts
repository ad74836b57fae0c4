import { connect, type Socket } from 'node:net'
import { inform } from './channel.ts'
import { type FakeAnswer, type FakeRequest, json, serveFake } from './http.ts'

/**
 * A process of its own: the project's address. It speaks what the daemon asks of Storage, throws the bytes away, and
 * hands connections for the Data API and for Realtime, whole, to where those are: their calls cost nothing here.
 */
const upstreams = new Map([
  ['rest', Number(process.env.BENCH_RPC_PORT)],
  ['realtime', Number(process.env.BENCH_REALTIME_PORT)],
])
const BASE = '/storage/v1/'
const NOT_FOUND = { statusCode: '404', error: 'not_found', message: 'Object not found', code: 'NoSuchKey' }

/** Whether an object is there. What is uploaded is remembered by name only when somebody may ask for it again. */
const stored = new Set<string>()

const port = await serveFake({
  keeps: (method, path) => method !== 'GET' && !isUpload(method, path),
  answer,
  takeOver,
})
inform({ port })

function isUpload(method: string, path: string): boolean {
  return method === 'POST' && !/^\/storage\/v1\/object\/(?:list\/|move$)/.test(path)
}

function answer(request: FakeRequest): FakeAnswer {
  const { method, path } = request
  if (path.startsWith(`${BASE}bucket/`))
    return json({ id: path.slice(`${BASE}bucket/`.length), public: false })
  const name = path.replace(/^\/storage\/v1\/object\/(?:info\/)?/, '')
  if (isUpload(method, path)) {
    stored.add(name)
    return json({ Key: name, Id: name })
  }
  if (method === 'DELETE') return remove(name, request.body)
  if (name === 'move') return move(request.body)
  if (name.startsWith('list/')) return list(name.slice('list/'.length), request.body)
  return stored.has(name) ? json({ name }) : json(NOT_FOUND, 400)
}

function remove(bucket: string, body: string): FakeAnswer {
  const { prefixes }: { prefixes: string[] } = JSON.parse(body)
  return json(prefixes.filter(key => stored.delete(`${bucket}/${key}`)).map(name => ({ name })))
}

function move(body: string): FakeAnswer {
  const wanted: { bucketId: string; sourceKey: string; destinationKey: string } = JSON.parse(body)
  if (!stored.delete(`${wanted.bucketId}/${wanted.sourceKey}`)) return json(NOT_FOUND, 400)
  stored.add(`${wanted.bucketId}/${wanted.destinationKey}`)
  return json({ message: 'Successfully moved' })
}

function list(bucket: string, body: string): FakeAnswer {
  const { prefix, search = '' }: { prefix: string; search?: string } = JSON.parse(body)
  const start = `${bucket}/${prefix}/`
  const found = [...stored].filter(key => key.startsWith(start + search))
  return json(found.map(key => ({ name: key.slice(start.length), id: key })))
}

function takeOver(path: string, socket: Socket, sent: Buffer): boolean {
  const target = upstreams.get(path.split('/', 2)[1] ?? '')
  if (target === undefined) return false
  const upstream = connect({ host: '127.0.0.1', port: target, noDelay: true })
  upstream.on('error', () => socket.destroy()).on('close', () => socket.destroy())
  socket.on('close', () => upstream.destroy())
  upstream.write(sent)
  socket.pipe(upstream)
  upstream.pipe(socket)
  return true
}
