import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { failedRow, fixtureRow } from '../support/ops-fixtures.ts'
import { openBrowser, openPage, pictureWidth, type Watched } from './support/chromium.ts'
import { startDashboard } from './support/dashboard.ts'
import { fillSampleWorld } from './support/sample-world.ts'

const browser = await openBrowser()
const dashboard = await startDashboard()
const { url, world } = dashboard

beforeEach(() => {
  fillSampleWorld(world)
  world.retried.length = 0
})

async function onPage(hash: string, use: (watched: Watched) => Promise<void>): Promise<void> {
  const watched = await openPage(browser, `${url}/${hash}`, { allowed: [dashboard.storage] })
  try {
    await use(watched)
    assert.deepEqual(watched.faults, [])
  } finally {
    await watched.context.close()
  }
}

test('filters stand in the address: it can be sent on, and Back goes back', () =>
  onPage('#/attachments', async ({ page }) => {
    const rows = page.locator('tbody tr')
    await rows.nth(9).waitFor()
    await page.getByLabel('Status').selectOption('FAILED')
    await page.getByText('2 files shown').waitFor()
    assert.equal(await rows.count(), 2)
    await page.getByLabel('Error code').fill('integrity')
    await page.getByText('1 file shown').waitFor()
    assert.equal(new URL(page.url()).hash, '#/attachments?status=FAILED&error=integrity')
    assert.equal(await page.evaluate('document.activeElement.name'), 'error', 'whoever types goes on typing')

    await page.reload()
    await page.getByText('1 file shown').waitFor()
    assert.equal(await page.getByLabel('Status').inputValue(), 'FAILED')
    await page.getByRole('link', { name: 'The label, close up' }).click()
    await page.getByRole('heading', { name: 'Attachment 18379' }).waitFor()
    await page.goBack()
    await page.getByText('1 file shown').waitFor()
    await page.goBack()
    await rows.nth(9).waitFor()
    assert.equal(await page.getByLabel('Status').inputValue(), '')
    await page.getByLabel('Kind').selectOption('video')
    await page.getByText('1 file shown').waitFor()
    await page.getByLabel('Status').selectOption('FAILED')
    await page.getByText('No file matches').waitFor()
    await page.getByLabel('Lead').fill('not a number')
    await page.getByRole('alert').getByText(/lead/i).waitFor()
    assert.ok(await page.locator('table').isHidden(), 'rows of another search do not stand for this one')
  }))

test('older files come by the page, newest first, and a new one appears by itself', () =>
  onPage('#/attachments', async ({ page }) => {
    world.rows = Array.from({ length: 120 }, (_, row) => fixtureRow(row + 1, { caption: `cup ${row + 1}` }))
    await page.reload()
    const rows = page.locator('tbody tr')
    await rows.nth(49).waitFor()
    assert.equal(await rows.first().getAttribute('data-id'), '120')
    await page.getByRole('link', { name: 'Older files' }).click()
    await page.getByText('cup 70', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Older files' }).click()
    await page.getByText('cup 20', { exact: true }).waitFor()
    assert.equal(await rows.count(), 20)
    assert.equal(await page.getByRole('link', { name: 'Older files' }).count(), 0)
    await page.getByRole('link', { name: 'Newest' }).click()
    await page.getByText('cup 120', { exact: true }).waitFor()

    const link = page.getByRole('link', { name: 'cup 118' })
    await link.focus()
    world.rows = [...world.rows, fixtureRow(121, { caption: 'the newest cup' })]
    world.counts = { ...world.counts, UPLOADED: world.counts.UPLOADED + 1 }
    await page.getByText('the newest cup').waitFor({ timeout: 10_000 })
    assert.ok(
      await link.evaluate(element => element === element.ownerDocument.activeElement),
      'the focus stays where it was',
    )
  }))

test('one that arrived shows its picture from Storage and its story; nothing breaks the policy', () =>
  onPage('#/attachments/18383', async ({ page }) => {
    const picture = page.locator('.preview img')
    assert.equal(await pictureWidth({ page }), 600)
    assert.equal(await picture.getAttribute('alt'), 'Front wheel, from the side')
    await page.getByText('Whole, and the same bytes as WhatsApp declared.').waitFor()
    assert.deepEqual(await page.locator('.event-title').allTextContents(), [
      'WhatsApp told us about it',
      'It arrived',
    ])
    assert.equal(
      await page.getByRole('link', { name: 'Download' }).getAttribute('href'),
      '/api/attachments/18383/file?download=1',
    )
    await page.getByRole('link', { name: 'Harbour Bicycles' }).click()
    await page.getByRole('heading', { name: 'Attachments' }).waitFor()
    assert.equal(new URL(page.url()).hash, '#/attachments?lead=12')
  }))

test('what Storage does not hand out says so, and what is no picture is offered as a download', () =>
  onPage('#/attachments/18378', async ({ page }) => {
    await page.getByText('It cannot be shown').waitFor()
    await page.goto(`${url}/#/attachments/18382`)
    await page.getByText('No preview').waitFor()
    await page.goto(`${url}/#/attachments/404`)
    await page.getByRole('alert').getByText('There is no attachment 404.').waitFor()
  }))

test('one that failed says why in plain words and is tried again once somebody has said yes', () =>
  onPage('#/attachments/18379', async ({ page }) => {
    await page.getByText(/What arrived differs in size or SHA-256/).waitFor()
    assert.equal(await page.locator('.story li').count(), 7)
    await page.getByText('Daemon ferry-3 let the claim run out. No attempt was counted.').waitFor()
    const retry = page.getByRole('button', { name: 'Retry' })
    await retry.click()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    assert.deepEqual(world.retried, [])
    await retry.click()
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click()
    await page.locator('#said').getByText('Attachment 18379 is tried again now.').waitFor()
    assert.deepEqual(world.retried, [{ ids: [18379] }])
  }))

test('failures stand by reason, and all of one are tried again at once', () =>
  onPage('#/failures', async ({ page }) => {
    assert.equal(
      await page
        .locator('.group')
        .first()
        .waitFor()
        .then(() => page.locator('.group').count()),
      3,
    )
    const group = page.locator('.group').filter({ hasText: 'integrity' }).first()
    await group.getByText('17', { exact: true }).waitFor()
    const never = page.locator('.group').filter({ hasText: 'media_unsupported' })
    assert.equal(await never.getByRole('button').count(), 0, 'what can never work offers no retry')
    await group.getByRole('button', { name: 'Retry all 17' }).click()
    await page
      .getByRole('dialog', { name: 'Try all 17 files again?' })
      .getByRole('button', { name: 'Retry' })
      .click()
    await page.locator('#said').getByText('1 file is tried again now.').waitFor()
    assert.deepEqual(world.retried, [{ code: 'integrity' }])
  }))

test('what a stranger wrote is text, wherever it stands', () => {
  const evil = `"><img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
  const row = failedRow(666, 'integrity', {
    caption: evil,
    file_name: `${evil}.svg`,
    error_message: evil,
    lead: { phone: evil, profile_name: evil },
    message_id: evil,
    declared_mime_type: evil,
    leased_by: evil,
  })
  world.rows = [row]
  world.events.set(666, [
    {
      id: 1,
      at: row.sent_at,
      event: evil.slice(0, 90),
      worker: evil,
      detail: { error_message: evil, declared: evil },
    },
  ])
  world.failures = [{ code: evil.slice(0, 90), count: 1 }]
  world.paused = { changed_by: evil, reason: evil, changed_at: row.sent_at }
  return onPage('#/attachments', async ({ page }) => {
    for (const hash of [
      '#/attachments',
      '#/attachments/666',
      '#/failures',
      `#/attachments?text=${encodeURIComponent(evil)}`,
      '#/',
    ]) {
      await page.goto(`${url}/${hash}`)
      await page.locator('.notice').getByText(evil).first().waitFor()
      await page.locator('tbody tr, .story li, .group, .tile').first().waitFor()
      assert.equal(
        await page.locator('main script, main img[src=x], .notice img, main [onerror]').count(),
        0,
        hash,
      )
      assert.doesNotMatch(await page.title(), /owned/)
    }
    world.paused = null
  })
})
