import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDaemonWithDoors } from '../support/ops.ts'
import { takeProject } from '../support/project.ts'
import { openBrowser, openPage, pictureWidth } from './support/chromium.ts'

const project = await takeProject()
const browser = await openBrowser()

test('a file arrives by webhook, is seen live, and is opened; a dead token says what to do', async t => {
  const daemon = await startDaemonWithDoors(project)
  t.after(() => daemon.stop())
  const { context, page, faults } = await openPage(browser, `${daemon.url}/#/attachments`, {
    allowed: [project.url],
  })
  t.after(() => context.close())
  await page.getByText('No file has been sent yet').waitFor()
  await page.locator('#connection').getByText('Live').waitFor()

  const caption = `<img src=x onerror="document.title='owned'">`
  await project.deliver(await project.message('image', { fields: { caption } }))
  const link = page.getByRole('link', { name: caption })
  await link.waitFor({ timeout: 15_000 })
  await page.getByRole('row', { name: /Arrived/ }).waitFor({ timeout: 15_000 })
  assert.equal(await page.locator('main img').count(), 0)

  await link.click()
  assert.equal(await pictureWidth({ page }), 600)
  await page.getByText('Whole, and the same bytes as WhatsApp declared.').waitFor()
  assert.deepEqual(await page.locator('.event-title').allTextContents(), [
    'WhatsApp told us about it',
    'It arrived',
  ])

  await project.control('POST', 'faults', { on: 'graph', fault: 'error', code: 190 })
  await page.getByRole('link', { name: 'Now' }).click()
  await project.deliver(await project.message('image'))
  const circuit = page.locator('.circuit.bad')
  await circuit
    .getByText(/does not accept the access token|access token/i)
    .first()
    .waitFor({ timeout: 15_000 })
  await circuit.getByText('What to do').waitFor()
  await page.getByText('Nothing is carried: WhatsApp is not usable').waitFor()
  await project.control('DELETE', 'faults')
  await page.locator('.tile.uploaded').getByText('2', { exact: true }).waitFor({ timeout: 20_000 })
  await page.getByText('Every file has arrived').waitFor()

  assert.doesNotMatch(await page.title(), /owned/)
  assert.deepEqual(faults, [])
})
