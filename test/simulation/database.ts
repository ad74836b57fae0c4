import type { Carrier } from '../../src/database/carrier.ts'
import { SCHEMA_VERSION } from '../../src/database/schema-version.ts'
import { isRecord } from '../../src/transfer/rate-headers.ts'
import { exchange } from './exchange.ts'
import { type JsonObject, ModelError } from './model/database.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

/** As the real client: a call that takes longer counts as not answered. */
const PATIENCE_MS = 15_000

/** What a daemon asks besides, and no file depends on. */
const ASIDE: Readonly<Record<string, object>> = {
  mediaferry_schema: { version: SCHEMA_VERSION },
  expiring_attachments: { count: 0, soonest: null },
  raise_alert: { raised: true },
}

interface Said {
  readonly status: number
  readonly content: unknown
}

/** The Data API over the model, as one process reaches it. */
export function dataApiFor(world: World, process: SimulatedProcess): Carrier {
  const closing = new AbortController()

  async function carry(input: unknown, init: { readonly body?: unknown } | undefined): Promise<Response> {
    const url = new URL(String(input))
    const name = url.pathname.includes('/rpc/') ? (url.pathname.split('/').at(-1) ?? '') : 'held'
    const args = name === 'held' ? heldBy(url) : argumentsOf(init?.body)
    const sentAt = world.time.now()
    const said = await exchange(world, process, {
      dependency: 'database',
      what: name,
      signal: closing.signal,
      patience: PATIENCE_MS,
      onNoAnswer: () => world.judge.incident(process),
      carryOut: (): Said => {
        if (world.weather.outage('database', process.name) !== undefined) world.judge.incident(process)
        return answer(name, args)
      },
      onAnswer: ({ content }) => world.judge.told(process, name, args, content, sentAt),
    })
    return new Response(JSON.stringify(said.content), {
      status: said.status,
      headers: { 'content-type': 'application/json' },
    })
  }

  function answer(name: string, args: JsonObject): Said {
    if (world.weather.outage('database', process.name)?.kind === 'error') {
      return { status: 503, content: { message: 'simulated', code: 'PGRST000', details: null, hint: null } }
    }
    const aside = ASIDE[name]
    if (aside !== undefined) return { status: 200, content: aside }
    try {
      const content = world.judge.watched(process, name, args, () => world.database.call(name, args))
      return { status: 200, content }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      return {
        status: 400,
        content: { code: error.sqlstate, message: error.message, details: null, hint: null },
      }
    }
  }

  return {
    fetch: (input, init) => carry(input, init),
    close: async () => closing.abort(new Error('simulated close')),
  }
}

function heldBy(url: URL): JsonObject {
  const worker = /^eq\.(.+)$/.exec(url.searchParams.get('leased_by') ?? '')?.[1]
  if (worker === undefined) throw new Error(`the simulated Data API does not know ${url.href}`)
  return { worker }
}

function argumentsOf(body: unknown): JsonObject {
  const content: unknown = JSON.parse(String(body))
  if (!isRecord(content)) throw new Error('arguments that are no object')
  return JSON.parse(String(body))
}
