import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startTestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()

test('a token that WhatsApp refuses is posted to ALERT_URL, once for two daemons, and is an event', async t => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const told: Promise<string>[] = []
  const first = new Promise<void>(resolve => {
    server.on('request', (request, response) => {
      told.push(text(request))
      response.end(() => resolve())
    })
  })
  const { port } = server.address() as AddressInfo
  await project.control('POST', 'faults', { on: 'graph', fault: 'error', code: 190 })
  t.after(() => project.control('DELETE', 'faults'))
  const overrides = { ALERT_URL: `http://127.0.0.1:${port}/hook` }
  const daemons = [await startTestDaemon(project, overrides), await startTestDaemon(project, overrides)]
  t.after(() => Promise.all(daemons.map(daemon => daemon.stop())))
  await project.deliver(await project.message('image'), await project.message('image'))
  await first
  assert.match((await told[0]) ?? '', /"alert":"credentials".*WHATSAPP_ACCESS_TOKEN/)
  const { rows } = await project.database.query("select detail from system_events where event = 'alert'")
  assert.equal(rows.length, 1)
  assert.equal(rows[0]?.detail.alert, 'credentials whatsapp')
})
