import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, describe, test } from 'node:test'
import { fakeClock } from './fake-clock.ts'
import type { RawClient } from './raw-client.ts'
import { inSeconds, jwt, realtimeDatabase, testServer } from './support.ts'

const BINDINGS = [{ event: 'INSERT', schema: 'public', table: 'attachments' }]

describe('keys and tokens', async () => {
  const database = await realtimeDatabase({ after })
  const clock = fakeClock()
  const { url, server, connect } = await testServer(database, { clock })
  const role = 'service_role'

  for (const [name, key, error] of [
    ['no key', '', 'The token provided is not a valid JWT'],
    ['an unknown key', 'sb_secret_wrong', 'The token provided is not a valid JWT'],
    [
      'a wrong signature',
      jwt({ role, exp: inSeconds(60) }, 'another secret'),
      'Failed to validate JWT signature',
    ],
    ['an expired token', jwt({ role, exp: inSeconds(-10) }), 'Token has expired'],
    ['a token without role', jwt({ exp: inSeconds(60) }), 'Fields `role` and `exp` are required in JWT'],
    ['a token without exp', jwt({ role }), 'Fields `role` and `exp` are required in JWT'],
  ] as const) {
    test(`connecting with ${name} is HTTP 401`, async () => {
      const { status, body } = await upgrade(`${url}/realtime/v1/websocket?apikey=${key}&vsn=2.0.0`)
      assert.deepEqual([status, JSON.parse(body)], [401, { error }])
    })
  }

  test('another path is HTTP 404', async () => {
    assert.equal((await upgrade(`${url}/realtime/v1/other?apikey=sb_secret_test`)).status, 404)
  })

  for (const key of ['sb_publishable_test', 'sb_secret_test', 'sb_secret_second']) {
    test(`${key} opens a connection`, async () => {
      const client = await connect(key)
      await client.listen('opened', BINDINGS)
    })
  }

  test('joining with a bad token is refused, and the socket goes on', async () => {
    const client = await connect()
    for (const [token, reason] of [
      ['abc', 'MalformedJWT: The token provided is not a valid JWT'],
      [jwt({ role, exp: inSeconds(60) }, 'wrong'), 'JwtSignatureError: Failed to validate JWT signature'],
      [
        jwt({ role, exp: Math.floor(clock.now() / 1000) - 10 }),
        'InvalidJWTToken: Token has expired 10 seconds ago',
      ],
      [jwt({ exp: inSeconds(60) }), 'InvalidJWTToken: Fields `role` and `exp` are required in JWT'],
    ] as const) {
      client.send([
        '1',
        '1',
        'realtime:bad',
        'phx_join',
        { config: { postgres_changes: BINDINGS }, access_token: token },
      ])
      const reply = JSON.parse(await client.frames.take())
      const left = /expired/.test(reason)
        ? /^InvalidJWTToken: Token has expired (9|10|11) seconds ago$/
        : undefined
      if (left === undefined) assert.deepEqual(reply[4], { status: 'error', response: { reason } })
      else assert.match(reply[4].response.reason, left)
    }
    await client.listen('good', BINDINGS)
  })

  test('a role that does not exist is a system error', async () => {
    const client = await connect(jwt({ role: 'nosuchrole', exp: inSeconds(60) }))
    client.send(['1', '1', 'realtime:role', 'phx_join', { config: { postgres_changes: BINDINGS } }])
    await client.frames.take(text => text.includes('phx_reply'))
    const [, , , event, payload] = JSON.parse(await client.frames.take())
    assert.deepEqual([event, payload.status], ['system', 'error'])
    assert.match(
      payload.message,
      /Exception: ERROR 42704 \(undefined_object\) role "nosuchrole" does not exist$/,
    )
  })

  test('a new access token is a new system frame, and no row is lost; the same one, and an API key, are nothing', async () => {
    const token = jwt({ role, exp: inSeconds(60) })
    const client = await connect()
    await client.listen('refresh', BINDINGS, token)
    const push = (next: string): void =>
      client.send(['1', '9', 'realtime:refresh', 'access_token', { access_token: next }])
    push(token)
    push('sb_secret_other')
    await client.beat()
    assert.deepEqual(client.frames.items, [])
    push(jwt({ role, exp: inSeconds(120) }))
    await database.sql("insert into attachments (note) values ('during')")
    await client.frames.take(text => text.includes('Subscribed to PostgreSQL'))
    await server.caughtUp()
    await client.beat()
    assert.deepEqual(client.notes(), ['during'])
  })

  test('a bad access token closes the channel, not the socket', async () => {
    for (const [token, message] of [
      ['x', 'The token provided is not a valid JWT'],
      [jwt({ role, exp: inSeconds(60) }, 'wrong'), ':signature_error'],
      [jwt({ role, exp: Math.floor(clock.now() / 1000) - 5 }), 'Token has expired 5 seconds ago'],
    ] as const) {
      const client = await connect()
      await client.listen('closing', BINDINGS)
      client.send(['1000', '9', 'realtime:closing', 'access_token', { access_token: token }])
      await ends(client, 'closing', message)
    }
  })

  test('a token that expires closes the channel', async () => {
    const client = await connect()
    const expires = Math.floor(clock.now() / 1000) + 400
    await client.listen('expiring', BINDINGS, jwt({ role, exp: expires }))
    for (let minute = 0; minute < 6; minute++) {
      clock.advance(60_000)
      await client.beat()
    }
    assert.deepEqual(client.frames.items, [])
    clock.advance(expires * 1000 - clock.now())
    await ends(client, 'expiring', 'Token has expired 0 seconds ago')
  })
})

async function ends(client: RawClient, topic: string, message: string): Promise<void> {
  const system = { message, status: 'error', extension: 'system', channel: topic }
  assert.equal(
    await client.frames.take(),
    JSON.stringify(['1000', null, `realtime:${topic}`, 'system', system]),
  )
  assert.equal(
    await client.frames.take(),
    JSON.stringify(['1000', '1000', `realtime:${topic}`, 'phx_close', {}]),
  )
  await client.beat()
}

function upgrade(url: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    }
    const asked = request(url, { headers, agent: false })
    asked.once('error', reject).once('response', async response => {
      let body = ''
      for await (const chunk of response) body += chunk
      resolve({ status: response.statusCode, body })
    })
    asked.end()
  })
}
