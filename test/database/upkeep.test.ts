import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { openUpkeep } from '../../src/database/upkeep.ts'

test('rows are counted for a progress bar, and so never all of ten million', async t => {
  const preferred: string[] = []
  const server = createServer(({ headers }, response) => {
    preferred.push(String(headers.prefer))
    response.writeHead(206, { 'content-range': '*/12345678' }).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const upkeep = openUpkeep({ url: `http://127.0.0.1:${port}`, key: 'k'.repeat(20) })
  t.after(upkeep.close)
  assert.equal(await upkeep.countStoredFiles(0), 12_345_678)
  assert.deepEqual(preferred, ['count=estimated'])
})
