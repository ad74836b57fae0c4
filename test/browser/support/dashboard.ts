import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after } from 'node:test'
import { PACKAGE_ROOT } from '../../../src/local/prepare.ts'
import { createLog } from '../../../src/log.ts'
import type { OpsSources } from '../../../src/ops/ops.ts'
import { startOps } from '../../../src/ops/ops.ts'
import { type Fixtures, fixtures } from '../../support/ops-fixtures.ts'

export const TOKEN = 'a token of sixteen'

export interface TestDashboard {
  readonly url: string
  /** Where Storage would be: pictures come from there. */
  readonly storage: string
  readonly world: Fixtures
  /** Hangs up on everybody and takes nobody, as a daemon that was killed; `open` is the same daemon again. */
  close(): Promise<void>
  open(): Promise<void>
}

export interface DashboardOptions {
  readonly token?: string
  readonly change?: (sources: OpsSources) => OpsSources
}

/** The real server and the real page in front of values in memory, for the calling test file. */
export async function startDashboard({
  token,
  change = sources => sources,
}: DashboardOptions = {}): Promise<TestDashboard> {
  const world = fixtures()
  const storage = await startStorage()
  const signFile: OpsSources['signFile'] = async ({ key }) => `${storage}/${key}`
  const sources = change({ ...world.sources, signFile })
  const start = (port: number) =>
    startOps({
      host: '127.0.0.1',
      port,
      token,
      version: '1.0.0',
      supabaseUrl: storage,
      concurrency: 8,
      canaryIntervalMs: 30_000,
      sources,
      log: createLog('silent', { write: () => {} }),
    })
  let ops = await start(0)
  const { url } = ops
  after(() => ops.stop())
  return {
    url,
    storage,
    world,
    close: () => ops.stop(),
    open: async () => {
      ops = await start(Number(new URL(url).port))
    },
  }
}

/** Stands for Storage: another origin, which hands out the sample photograph under every key of a picture. */
async function startStorage(): Promise<string> {
  const photo = readFileSync(join(PACKAGE_ROOT, 'src/local/samples/photo.jpg'))
  const server = createServer((request, response) => {
    const found = request.url?.endsWith('.jpg') === true
    response
      .writeHead(found ? 200 : 404, { 'content-type': found ? 'image/jpeg' : 'text/plain' })
      .end(found ? photo : '')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${isPort(address) ? address.port : 0}`
}

const isPort = (address: AddressInfo | string | null): address is AddressInfo =>
  typeof address === 'object' && address !== null
