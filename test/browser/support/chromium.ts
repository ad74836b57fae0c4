import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import packed from '@sparticuz/chromium'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'
import { z } from 'zod'
import { PACKAGE_ROOT } from '../../../src/local/prepare.ts'

/** Real Chromium for the calling test file, until it ends. Starts in about a second. */
export async function openBrowser(): Promise<Browser> {
  const folder = await unpacked()
  writeFileSync(join(folder, 'fonts.conf'), fontsIn(folder))
  // Not the package's own list: it switches off what is tested here (--disable-web-security).
  const browser = await chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: ['--no-sandbox', '--no-zygote', '--disable-dev-shm-usage', '--font-render-hinting=none'],
    env: { ...process.env, FONTCONFIG_FILE: join(folder, 'fonts.conf') },
  })
  after(() => browser.close())
  return browser
}

/** What went wrong in a page by itself: refused by the Content-Security-Policy, thrown, or asked of strangers. */
export interface Watched {
  readonly context: BrowserContext
  readonly page: Page
  readonly faults: string[]
}

/** A page of its own; `allowed` are the origins that it may ask. */
export async function openPage(
  browser: Browser,
  url: string,
  { allowed = [], ...options }: BrowserContextOptions & { readonly allowed?: readonly string[] } = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(5_000)
  const faults: string[] = []
  const origins = [url, ...allowed].map(each => new URL(each).origin)
  page.on('pageerror', error => faults.push(String(error)))
  page.on('console', message => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) faults.push(message.text())
  })
  page.on('request', request => {
    if (!origins.includes(new URL(request.url()).origin)) faults.push(`asked a stranger: ${request.url()}`)
  })
  await page.goto(url)
  return { context, page, faults }
}

/** Waits until the opened attachment's picture is decoded, and answers its width; rejects when it cannot be. */
export const pictureWidth = async ({ page }: Pick<Watched, 'page'>): Promise<unknown> => {
  await page.locator('.preview img').waitFor()
  // As a string for the debugger: the page's own policy forbids what waitForFunction does.
  return page.evaluate(
    '{ const img = document.querySelector(".preview img"); img.decode().then(() => img.naturalWidth) }',
  )
}

/**
 * The browser comes packed in its npm package. It is unpacked beside the other things of this machine, once, under a
 * name of its own first: two test files may begin at the same time.
 */
async function unpacked(): Promise<string> {
  const packageFile = join(
    dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')),
    '..',
    'package.json',
  )
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(packageFile, 'utf8')))
  const home = join(PACKAGE_ROOT, '.mediaferry')
  const folder = join(home, `chromium-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(home, { recursive: true })
  const own = mkdtempSync(join(home, 'chromium-'))
  const { TMPDIR } = process.env
  process.env.TMPDIR = own
  const unpacking = packed.executablePath()
  if (TMPDIR === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = TMPDIR
  await unpacking
  try {
    renameSync(own, folder)
  } catch (error) {
    rmSync(own, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

/** The package's one family, also where the machine has no fonts at all: else every text would be blank. */
const fontsIn = (folder: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, 'fonts')}</dir>
  <dir>/usr/share/fonts/truetype/dejavu</dir>
  <cachedir>${join(folder, 'fonts-cache')}</cachedir>
  <selectfont>
    <acceptfont><glob>*Mono*</glob></acceptfont>
    <rejectfont><glob>/usr/share/fonts/*</glob></rejectfont>
  </selectfont>
  <alias binding="strong"><family>system-ui</family><prefer><family>Open Sans</family></prefer></alias>
  <alias binding="strong"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <alias binding="strong"><family>sans-serif</family><prefer><family>Open Sans</family></prefer></alias>
</fontconfig>
`
