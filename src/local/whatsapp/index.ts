import { controlDoor } from './control.ts'
import { createFaultBoard, type FaultBoard } from './fault-board.ts'
import { graphApi, type SimulatedToken } from './graph.ts'
import { createMediaLinks } from './links.ts'
import { type Handler, type LoopbackServer, serveLoopback } from './loopback-server.ts'
import { elsewhereHost, mediaHost } from './media-host.ts'
import { createMediaShelf, type MediaShelf } from './media-shelf.ts'
import { newRequestCounts, type RequestCounts } from './request-counts.ts'
import { type Delivery, type DeliveryAnswer, sendWebhook } from './send.ts'

/** The number of the simulated business, as in the examples of Meta's documentation. */
export const PHONE_NUMBER_ID = '106540352242922'

export interface WhatsAppOptions {
  /** The one bearer token that Graph and the media host accept. */
  readonly accessToken: string
  /** Signs what `send` sends. */
  readonly appSecret: string
  /** Preferred ports; a taken one is replaced by a free one. Default: any free port. */
  readonly graphPort?: number
  readonly mediaPort?: number
  /** Ids that the neutral probe may read. Default: {@link PHONE_NUMBER_ID}. */
  readonly phoneNumberIds?: readonly string[]
  /** Milliseconds since 1970; decides when links, files and the token expire. Default: the machine's clock. */
  readonly now?: () => number
  /** Default: 300,000 ms, as Meta's. Rounded up to whole seconds. */
  readonly urlLifetimeMs?: number
}

/** WhatsApp's side of the pipeline on this machine: the Graph API, the media host, and one who sends webhooks. */
export interface WhatsAppSimulator {
  /** For WHATSAPP_GRAPH_URL. The control door (control.ts) is at `<graphUrl>/_simulator/`. */
  readonly graphUrl: string
  /** Where Graph's links point to. */
  readonly mediaUrl: string
  /** Where the `redirect` fault leads; here the host is called `localhost` and not `127.0.0.1`. */
  readonly elsewhereUrl: string
  readonly token: SimulatedToken
  readonly media: MediaShelf
  readonly faults: FaultBoard
  readonly requests: RequestCounts
  /** Closes that host's port, so that connections are refused, until `accept`. */
  refuse(host: 'graph' | 'media'): Promise<void>
  accept(host: 'graph' | 'media'): Promise<void>
  /** Delivers messages to a webhook, signed with the app secret. */
  send(delivery: Omit<Delivery, 'appSecret'>): Promise<DeliveryAnswer>
  /** Ends every connection. A second call does nothing. */
  stop(): Promise<void>
}

const MEDIA_PATH = '/whatsapp_business/attachments/'
const ELSEWHERE_PATH = '/cdn/'

/** When one host cannot be started, those that were are stopped before the error is thrown. */
export async function startWhatsApp(options: WhatsAppOptions): Promise<WhatsAppSimulator> {
  const started: LoopbackServer[] = []
  try {
    return await startHosts(options, started)
  } catch (error) {
    await stopAll(started)
    throw error
  }
}

async function stopAll(servers: readonly LoopbackServer[]): Promise<void> {
  await Promise.all(servers.map(server => server.stop()))
}

async function startHosts(options: WhatsAppOptions, started: LoopbackServer[]): Promise<WhatsAppSimulator> {
  const { now = Date.now, urlLifetimeMs = 300_000, phoneNumberIds = [PHONE_NUMBER_ID] } = options
  const token: SimulatedToken = { value: options.accessToken, expiresAt: 0 }
  const shelf = createMediaShelf(now)
  const faults = createFaultBoard()
  const requests = newRequestCounts()
  const links = createMediaLinks(MEDIA_PATH, now, urlLifetimeMs)
  const elsewhereLinks = createMediaLinks(ELSEWHERE_PATH, now, urlLifetimeMs)

  const serve = async (handler: Handler, port?: number): Promise<LoopbackServer> => {
    const server = await serveLoopback(handler, port)
    started.push(server)
    return server
  }

  const elsewhereLink = (mediaId: string, hops: number) =>
    `${elsewhereUrl}${elsewhereLinks.make(mediaId)}&hops=${hops}`
  const door = controlDoor({
    token,
    shelf,
    faults,
    requests,
    servers: () => ({ graph, media }),
    urls: () => ({ graphUrl: graph.url, mediaUrl: media.url, elsewhereUrl }),
  })
  const behindDoor =
    (handler: Handler): Handler =>
    async (request, response) => {
      if (!(await door(request, response))) await handler(request, response)
    }

  const elsewhere = await serve(
    behindDoor(elsewhereHost({ shelf, links: elsewhereLinks, requests, elsewhereLink })),
  )
  const elsewhereUrl = `http://localhost:${elsewhere.port}`
  const media = await serve(
    mediaHost({ token, shelf, links, faults, requests, elsewhereLink }),
    options.mediaPort,
  )
  const linkTo = (mediaId: string) => media.url + links.make(mediaId)
  const graph = await serve(
    behindDoor(
      graphApi({ token, phoneNumberIds: new Set(phoneNumberIds), shelf, faults, requests, now, linkTo }),
    ),
    options.graphPort,
  )

  const servers = { graph, media }
  return {
    graphUrl: graph.url,
    mediaUrl: media.url,
    elsewhereUrl,
    token,
    media: shelf,
    faults,
    requests,
    refuse: host => servers[host].refuse(),
    accept: host => servers[host].accept(),
    send: delivery => sendWebhook({ ...delivery, appSecret: options.appSecret }),
    stop: () => stopAll(started),
  }
}
