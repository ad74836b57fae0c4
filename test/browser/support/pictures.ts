/**
 * `tsx test/browser/support/pictures.ts [FOLDER]`: the page as it looks, at 1280 and 400 pixels, in the light and in
 * the dark, into `.mediaferry/pictures/` or that folder, to be looked at after every change of the page; and those of
 * the README into `.github/pictures/`.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { PACKAGE_ROOT } from '../../../src/local/prepare.ts'
import { openBrowser, openPage } from './chromium.ts'
import { startDashboard, type TestDashboard } from './dashboard.ts'
import { breakToken, fillSampleWorld, sampleDatabase } from './sample-world.ts'

const folder = process.argv[2] ?? join(PACKAGE_ROOT, '.mediaferry', 'pictures')
const PAGES: readonly (readonly [name: string, hash: string])[] = [
  ['now', '#/'],
  ['attachments', '#/attachments'],
  ['arrived', '#/attachments/18383'],
  ['failed', '#/attachments/18379'],
  ['failures', '#/failures'],
  ['rejected', '#/rejected'],
]

test('pictures', async () => {
  mkdirSync(folder, { recursive: true })
  const browser = await openBrowser()
  const dashboard = await startDashboard({ change: sampleDatabase })
  fillSampleWorld(dashboard.world)
  for (const [width, height] of [
    [1280, 900],
    [400, 860],
  ] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const shot = await openPage(browser, dashboard.url, {
        viewport: { width, height },
        colorScheme,
        allowed: [dashboard.storage],
      })
      const save = async (name: string) => {
        await shot.page.screenshot({
          path: join(folder, `${name}-${width}-${colorScheme}.png`),
          fullPage: true,
        })
      }
      for (const [name, hash] of PAGES) {
        await shot.page.goto(`${dashboard.url}/${hash}`)
        await shot.page.locator('.tile-number, .file-link, .story, .group-count, td').first().waitFor()
        await shot.page.waitForTimeout(300)
        await save(name)
      }
      await shot.page.locator('#pause').click()
      await save('pausing')
      await shot.context.close()
      console.log(width, colorScheme, shot.faults)
    }
  }
  await forReaders(browser, dashboard)
})

/** Those of the README: what fits on a screen, each below 150 KB. */
async function forReaders(browser: Browser, dashboard: TestDashboard): Promise<void> {
  const { url, storage, world } = dashboard
  const place = join(PACKAGE_ROOT, '.github', 'pictures')
  mkdirSync(place, { recursive: true })
  const take = async (name: string, hash: string, ready: string, options: BrowserContextOptions) => {
    const { context, page } = await openPage(browser, `${url}/${hash}`, { ...options, allowed: [storage] })
    await page.locator(ready).first().waitFor()
    await page.waitForTimeout(500)
    await page.screenshot({ path: join(place, `dashboard-${name}.png`) })
    await context.close()
  }
  const desk = { viewport: { width: 1280, height: 960 } }
  await take('now', '#/', '.chart .readout:not(:empty)', { ...desk, colorScheme: 'light' })
  await take('now-dark', '#/', '.chart .readout:not(:empty)', { ...desk, colorScheme: 'dark' })
  await take('failed', '#/attachments/18379', '.story', { ...desk, colorScheme: 'light' })
  await take('telephone', '#/attachments', '.files tbody tr', {
    viewport: { width: 400, height: 860 },
    colorScheme: 'light',
  })
  breakToken(world)
  const circuit = { viewport: { width: 1280, height: 720 }, colorScheme: 'light' } as const
  // The numbers of the table are read every other second.
  await take('token', '#/', '.circuit.bad', circuit)
  await new Promise(resolve => setTimeout(resolve, 2_500))
  await take('token', '#/', '.circuit.bad', circuit)
}
