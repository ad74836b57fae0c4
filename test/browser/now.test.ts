import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { openBrowser, openPage, type Watched } from './support/chromium.ts'
import { startDashboard } from './support/dashboard.ts'
import { breakToken, fillSampleWorld, sampleDatabase } from './support/sample-world.ts'

const browser = await openBrowser()
const dashboard = await startDashboard({ change: sampleDatabase })
const { url, world } = dashboard

beforeEach(() => {
  fillSampleWorld(world)
  world.paused = null
})

/** The page in a context of its own, which is closed with it; it may do nothing that the policy forbids. */
async function onPage(
  hash: string,
  use: (watched: Watched) => Promise<void>,
  options: object = {},
): Promise<void> {
  const watched = await openPage(browser, `${url}/${hash}`, { allowed: [dashboard.storage], ...options })
  try {
    await use(watched)
    assert.deepEqual(watched.faults, [])
  } finally {
    await watched.context.close()
  }
}

test('the first page says how everything is, and what changes is shown without a reload', () =>
  onPage('', async ({ page }) => {
    await page.getByText('Files are arriving, 20 on the way').waitFor()
    await page.getByText('23 files failed and need somebody to look.').waitFor()
    await page.locator('.tile.uploaded').getByText('18,342').waitFor()
    await page.getByText('1,029 arrived').waitFor()
    await page.getByText('5 of 8').waitFor()
    await page.getByText('18,371 rows were announced; 2 missed and found by asking.').waitFor()
    assert.equal(await page.locator('.table tbody tr').count(), 3)
    await page.getByRole('row', { name: /ferry-3.*silent.*Storage not usable/ }).waitFor()
    assert.equal(await page.locator('[data-state=transferring] .number').textContent(), '3')
    assert.equal(await page.locator('[data-state=UPLOADED] .number').textContent(), '18,342')
    assert.match(
      (await page.locator('.statechart svg').getAttribute('aria-label')) ?? '',
      /transferring 3, .*FAILED 23/,
    )

    world.machine = { ...world.machine, transferring: 4, judging: 2 }
    world.counts = { ...world.counts, UPLOADED: 18_350 }
    await page.locator('.tile.uploaded').getByText('18,350').waitFor()
    await page.locator('[data-state=judging] .number').getByText('2').waitFor()
    assert.equal(await page.locator('[data-state=transferring] .number').textContent(), '4')
  }))

test('a dead token: the circuit says why and what to do; deaf Realtime and a database that is away say theirs', () =>
  onPage('', async ({ page }) => {
    const circuits = world.circuits
    breakToken(world)
    world.realtime = {
      ...world.realtime,
      hearing: false,
      cause: { code: 'canary_late', message: 'The canary did not come back.' },
    }
    await page.getByText('Nothing is carried: WhatsApp is not usable').waitFor()
    const circuit = page.locator('.circuit.bad')
    await circuit.getByText('does not accept the access token').waitFor()
    await circuit.getByText(/Create a new access token/).waitFor()
    await page.getByText('deaf', { exact: true }).waitFor()
    await page.getByText('The canary did not come back.').waitFor()
    world.databaseError = new Error('connection refused')
    await page.getByText('The database does not answer.').waitFor()
    world.databaseError = null
    world.circuits = circuits
    await page.getByText(/^Files are/).waitFor()
    assert.equal(await page.locator('.circuit.bad').count(), 0)
  }))

test('pause asks once, Escape means no, and the reason is shown to everybody until it is resumed', () =>
  onPage('', async ({ page }) => {
    const pause = page.locator('#pause')
    await pause.click()
    const dialog = page.getByRole('dialog', { name: 'Pause the pipeline?' })
    await dialog.waitFor()
    assert.equal(await page.evaluate('document.activeElement.id'), 'ask-field')
    for (let turn = 0; turn < 5; turn++) {
      await page.keyboard.press('Tab')
      // Past the last control a browser's own dialog lets the focus out to the browser, and never into the page.
      assert.ok(
        await page.evaluate(
          'document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)',
        ),
      )
    }
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    assert.equal(await page.evaluate('document.activeElement.id'), 'pause')
    assert.equal(world.paused, null)

    await pause.click()
    await page.getByLabel('Reason, for whoever looks next').fill('moving the <b>bucket</b>')
    await page.keyboard.press('Enter')
    await page.getByText('Paused: nothing new is claimed until it is resumed.').waitFor()
    await page.locator('.notice').getByText('moving the <b>bucket</b>').waitFor()
    assert.match(
      JSON.stringify(world.paused),
      /"changed_by":"dashboard","reason":"moving the <b>bucket<\/b>"/,
    )

    await page.locator('.notice').getByRole('button', { name: 'Resume' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click()
    await page.getByText('Resumed: what is due is claimed now.').waitFor()
    assert.equal(world.paused, null)
  }))

test('an action that fails says so in its dialog, and nothing is claimed to be done', () =>
  onPage('', async ({ page }) => {
    await page.locator('.tile.uploaded').getByText('18,342').waitFor()
    await page.locator('#pause').click()
    world.databaseError = new Error('connection refused')
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('dialog').getByRole('alert').getByText(/\w/).waitFor()
    world.databaseError = null
    assert.equal(await page.locator('#said').textContent(), '')
    assert.equal(world.paused, null)
  }))

test('everything can be reached with the keyboard: the skip link first, then what stands above, then the page', () =>
  onPage('', async ({ page }) => {
    await page.locator('.tile.uploaded').getByText('18,342').waitFor()
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate('document.activeElement.id'), 'skip')
    assert.notEqual(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'none')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'Now')
    await page.keyboard.press('Tab')
    assert.match(String(await page.evaluate('document.activeElement.className')), /tile pending/)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Attachments' }).waitFor()
    assert.equal(new URL(page.url()).hash, '#/attachments?status=PENDING')
    assert.equal(await page.evaluate('document.activeElement.tagName'), 'H1')
  }))

test('no page is wider than a telephone, and the chosen theme is remembered', () =>
  onPage(
    '',
    async ({ page }) => {
      for (const hash of [
        '#/',
        '#/attachments',
        '#/attachments/18379',
        '#/attachments/18383',
        '#/failures',
        '#/rejected',
      ]) {
        await page.goto(`${url}/${hash}`)
        await page.locator('.tile-number, tbody tr, .story li, .group-count').first().waitFor()
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 400, hash)
      }
      assert.equal(
        await page.evaluate('getComputedStyle(document.body).backgroundColor'),
        'rgb(246, 247, 249)',
      )
      await page.getByRole('button', { name: 'Dark theme' }).click()
      await page.reload()
      assert.equal(
        await page.getByRole('button', { name: 'Dark theme' }).getAttribute('aria-pressed'),
        'true',
      )
      assert.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(15, 20, 25)')
    },
    { viewport: { width: 400, height: 800 }, colorScheme: 'light' },
  ))
