import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

function run(url: string): Promise<{ failed: boolean; err: string }> {
  const env = {
    ...BARE_ENVIRONMENT,
    SUPABASE_URL: url,
    SUPABASE_SECRET_KEY: 'sb_secret_of_another_project_altogether',
  }
  return new Promise(resolve => {
    execFile(process.execPath, [CLI, 'retry', '7'], { cwd: tmpdir(), env }, (error, _, err) => {
      resolve({ failed: error !== null, err })
    })
  })
}

test('a project that is away, or refuses the key, is told in doctor’s words and without a stack', async () => {
  const server = createServer((_, response) => {
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"message":"Invalid API key"}')
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const refused = await run(`http://127.0.0.1:${port}`)
  await new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  })
  const away = await run(`http://127.0.0.1:${port}`)
  assert.match(refused.err, /^error: The database refuses the key: Invalid API key\nSet SUPABASE_SECRET_KEY/)
  assert.match(away.err, /^error: The database cannot be asked: .*ECONNREFUSED.*\nIs SUPABASE_URL right/)
  for (const { failed, err } of [refused, away]) {
    assert.ok(failed)
    assert.match(err, /`npm run mediaferry -- doctor` looks at the rest\.\n$/)
    assert.doesNotMatch(err, /^ {4}at /m)
  }
})
