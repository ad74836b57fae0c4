import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Request } from 'playwright-core'
import { openBrowser, openPage } from './support/chromium.ts'
import { startDashboard, TOKEN } from './support/dashboard.ts'
import { fillSampleWorld } from './support/sample-world.ts'

const browser = await openBrowser()

test('a lost connection is said in every tab, and both come back by themselves', async t => {
  const dashboard = await startDashboard()
  fillSampleWorld(dashboard.world)
  const { context, page, faults } = await openPage(browser, dashboard.url)
  t.after(() => context.close())
  const second = await context.newPage()
  await second.goto(`${dashboard.url}/#/failures`)
  for (const tab of [page, second]) await tab.locator('#connection').getByText('Live').waitFor()

  await dashboard.close()
  for (const tab of [page, second]) {
    await tab.getByText('The connection to the daemon is lost.').waitFor()
    await tab.getByText(/Trying again/).waitFor()
    await tab.locator('#connection').getByText('Not connected').waitFor()
  }
  await page.locator('#pause').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('dialog').getByRole('alert').getByText('The daemon does not answer.').waitFor()
  await page.keyboard.press('Escape')

  dashboard.world.counts = { ...dashboard.world.counts, UPLOADED: 20_000 }
  await dashboard.open()
  await page.getByRole('button', { name: 'Try now' }).click()
  await page.locator('.tile.uploaded').getByText('20,000').waitFor()
  await second.locator('#connection').getByText('Live').waitFor({ timeout: 16_000 })
  for (const tab of [page, second])
    assert.equal(await tab.getByText('The connection to the daemon is lost.').count(), 0)
  assert.deepEqual(faults, [])
})

test('a connection that says nothing is given up, and a tab that nobody looks at gives its own back', async t => {
  const dashboard = await startDashboard()
  const { context, page } = await openPage(browser, 'about:blank')
  t.after(() => context.close())
  await page.clock.install()
  await page.goto(dashboard.url)
  const live = page.locator('#connection').getByText('Live')
  const isStream = (request: Request) => request.url().endsWith('/api/live')
  const ended = () => page.waitForEvent('requestfailed', { predicate: isStream, timeout: 5_000 })
  const begun = () => page.waitForEvent('request', { predicate: isStream, timeout: 5_000 })
  await live.waitFor()
  await page.clock.fastForward(30_000)
  assert.equal(await page.getByText('The connection to the daemon is lost.').count(), 0)
  const silent = ended()
  await page.clock.fastForward(11_000)
  await silent
  await page.getByText('The connection to the daemon is lost.').waitFor()
  await live.waitFor()

  const look = (hidden: boolean) =>
    page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    )
  const hidden = ended()
  await look(true)
  await page.clock.fastForward(21_000)
  await hidden
  const again = begun()
  await look(false)
  await again
  await live.waitFor()
})

test('with OPS_TOKEN nothing is shown until somebody has logged in, and then the page that was asked for', async t => {
  const dashboard = await startDashboard({ token: TOKEN })
  fillSampleWorld(dashboard.world)
  const { context, page, faults } = await openPage(browser, `${dashboard.url}/#/failures`)
  t.after(() => context.close())
  const token = page.getByLabel('Token')
  await token.waitFor()
  assert.equal(await page.evaluate('document.activeElement.id'), 'token')
  assert.deepEqual(dashboard.world.asked, [])
  await token.fill('not the token at all')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').getByText('That is not the token.').waitFor()
  await token.fill(TOKEN)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Failures' }).waitFor()
  await page.getByRole('button', { name: 'Retry all 17' }).waitFor()
  await page.locator('#connection').getByText('Live').waitFor()
  assert.equal(await page.evaluate('document.cookie'), '', 'no script can read the cookie')
  await page.reload()
  await page.getByRole('button', { name: 'Retry all 17' }).waitFor()

  await context.clearCookies()
  await page.reload()
  await token.waitFor()
  assert.deepEqual(faults, [])
})
