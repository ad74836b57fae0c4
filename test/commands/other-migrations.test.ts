import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { UserError } from '../../src/errors.ts'
import { resultOf } from '../../src/local/run-program.ts'
import { PACKAGE_ROOT } from '../../src/package-root.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { daemonEnvironment, startTestDaemon } from '../support/daemon.ts'
import { takeProject } from '../support/project.ts'

const project = await takeProject()
const { rows } = await project.database.query('select public.mediaferry_schema() as answer')
const known = Number(rows[0]?.answer.version)

async function withMigrations(version: number, use: () => Promise<void>): Promise<void> {
  const say = (number: number) =>
    project.database.query(
      `create or replace function public.mediaferry_schema() returns jsonb
       language sql stable security invoker set search_path = '' as $$ select jsonb_build_object('version', ${number}) $$`,
    )
  await say(version)
  try {
    await use()
    const claimed = await project.database.query('select 1 from public.attachments where claim_token > 0')
    assert.equal(claimed.rows.length, 0)
  } finally {
    await say(known)
  }
}

for (const [version, hint] of [
  [known + 1, /Update mediaferry/],
  [known - 1, /db push --remote/],
] as const) {
  test(`a daemon that meets migrations ${version} says what to do, and claims nothing`, async () => {
    await project.deliver(await project.message('sticker'))
    await withMigrations(version, () =>
      assert.rejects(
        startTestDaemon(project).then(daemon => daemon.stop()),
        (error: unknown) => {
          assert.ok(error instanceof UserError)
          assert.match(error.hint ?? '', hint)
          return true
        },
      ),
    )
  })
}

test('so does a sweep', async () => {
  await project.deliver(await project.message('sticker'))
  await withMigrations(known + 1, async () => {
    const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'src', 'cli.ts'), 'sweep'], {
      env: { ...BARE_ENVIRONMENT, ...daemonEnvironment(project, 'unused') },
    })
    const { code, lastWords } = await resultOf(child)
    assert.equal(code, 1)
    assert.match(lastWords, /newer migrations[\s\S]*Update mediaferry/)
  })
})
