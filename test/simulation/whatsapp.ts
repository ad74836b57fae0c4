import { DEFAULT_TIMEOUTS } from '../../src/transfer/config.ts'
import type { Answer, Http, StreamingRequest } from '../../src/transfer/http.ts'
import { asAnswer, httpBy, json, type Reply } from './answers.ts'
import { exchange } from './exchange.ts'
import { type Channel, type Item, type ItemFault, shows, WEEK_MS } from './items.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

export const PHONE = '1000200030004000'
const GRAPH = 'https://graph.facebook.com'
export const MEDIA_HOST = 'https://lookaside.fbsbx.com'
const ADDRESS_LIVES_MS = 300_000
export const MAX_FILE_SIZE = 1024 * 1024

const graphError = (status: number, code: number, more: object = {}, headers = {}): Reply =>
  json(status, { error: { message: 'simulated', type: 'OAuthException', code, ...more } }, headers)

/** Graph and Meta's media host, as one process reaches them. */
export function whatsappFor(world: World, process: SimulatedProcess, closed: AbortSignal): Http {
  const outage = () => world.weather.outage('whatsapp', process.name)?.kind
  const isOut = () => outage() !== undefined
  const trouble = (item: Item | undefined, channel: Channel, duringOutage: boolean) =>
    item?.troubles.push({ at: world.time.now(), channel, duringOutage })

  /** Whether the item's own fault shows this time. */
  function own(item: Item, channel: Channel, fault: ItemFault): boolean {
    const shown = shows(item, fault)
    if (shown) trouble(item, channel, false)
    return shown
  }

  return httpBy(request => {
    const url = new URL(request.path, request.origin)
    return request.origin === GRAPH ? askGraph(url, request) : askMediaHost(url, request)
  })

  async function ask(
    what: string,
    channel: Channel,
    item: Item | undefined,
    request: StreamingRequest,
    reply: () => Reply,
  ): Promise<Answer> {
    const answered = await exchange(world, process, {
      dependency: 'whatsapp',
      what,
      host: channel,
      signal: AbortSignal.any([request.signal, closed]),
      patience: DEFAULT_TIMEOUTS.answerMs,
      onNoAnswer: duringOutage => trouble(item, channel, duringOutage),
      carryOut: () => {
        const said = reply()
        if (item !== undefined && said.status >= 400) trouble(item, channel, isOut())
        return said
      },
      onAnswer: said => {
        const mute = channel === 'media' && world.muteMediaHost
        if (item === undefined && (mute || said.status < 500)) world.judge.probeWorked(process, channel)
      },
    })
    return asAnswer(answered)
  }

  function askGraph(url: URL, request: StreamingRequest): Promise<Answer> {
    const id = url.pathname.split('/').at(-1) ?? ''
    const item = world.items.get(id)
    const what = item === undefined ? 'probes graph' : `resolves ${id}`
    if (item !== undefined) world.judge.worksOn(process, item, 'asks Graph')
    return ask(what, 'graph', item, request, () => {
      const general = generalTrouble()
      if (general !== undefined) return general
      if (item === undefined) return id === PHONE || id === 'me' ? json(200, { id }) : graphError(400, 100)
      return resolved(item)
    })
  }

  function generalTrouble(): Reply | undefined {
    switch (outage()) {
      case 'error':
        return graphError(500, 2, { is_transient: true })
      case 'rate':
        return graphError(429, 80007, {}, { 'retry-after': String(world.random.between(1, 30)) })
      case 'refused':
        return graphError(401, 190)
      case 'blind':
        return graphError(400, 100, { error_subcode: 33 })
      default:
        return undefined
    }
  }

  function resolved(item: Item): Reply {
    const gone =
      item.fault === 'gone' || (item.fault === 'expires' && world.time.now() >= item.sentAt + WEEK_MS)
    if (gone) {
      item.truths.add('media_gone').add('media_expired')
      return graphError(400, 100, { error_subcode: 33 })
    }
    if (item.fault === 'unsupported') {
      item.truths.add('media_unsupported')
      return graphError(400, 131051)
    }
    if (own(item, 'graph', 'error')) return graphError(500, 1)
    if (item.fault === 'too_large') item.truths.add('too_large')
    return json(200, {
      messaging_product: 'whatsapp',
      url: `${MEDIA_HOST}/whatsapp_business/attachments/?mid=${item.mediaId}&ext=${world.time.now() + ADDRESS_LIVES_MS}`,
      mime_type: item.mimeType,
      id: item.mediaId,
      file_size: item.fault === 'too_large' ? MAX_FILE_SIZE + 1 : item.bytes.length,
      ...(item.hashedBy === 'nobody' ? {} : { sha256: item.sha256 }),
    })
  }

  function askMediaHost(url: URL, request: StreamingRequest): Promise<Answer> {
    const item = world.items.get(url.searchParams.get('mid') ?? '')
    const what = item === undefined ? 'knocks at the media host' : `downloads ${item.mediaId}`
    if (item !== undefined) world.judge.worksOn(process, item, 'downloads')
    return ask(what, 'media', item, request, () => {
      if (outage() === 'media_error') {
        if (item !== undefined && world.muteMediaHost) trouble(item, 'media', false)
        return json(503, {})
      }
      if (item === undefined) return json(world.muteMediaHost ? 503 : 404, {})
      const old = Number(url.searchParams.get('ext')) < world.time.now()
      if (own(item, 'media', 'refused') || old || outage() === 'blind') return json(404, {})
      if (item.fault === 'poison' && process.state() !== 'dead') {
        world.trace.count('poison killed')
        world.kill(process, `${item.mediaId} is poison`)
      }
      return bytesOf(item)
    })
  }

  function bytesOf(item: Item): Reply {
    const headers = { 'content-type': item.mimeType }
    if (own(item, 'media', 'mismatch')) {
      return { status: 200, bytes: Buffer.from(item.bytes.toString().replace(/.$/s, '!') || '!'), headers }
    }
    if (item.bytes.length > 1 && world.hiccup()) {
      trouble(item, 'media', false)
      return { status: 200, bytes: item.bytes, headers, cutAt: Math.floor(item.bytes.length / 2) }
    }
    return { status: 200, bytes: item.bytes, headers }
  }
}
