import { LOGIN_NEEDED } from './api.ts'
import { attachmentView } from './attachment.ts'
import { attachmentsView } from './attachments.ts'
import { failuresView } from './failures.ts'
import { count } from './format.ts'
import { listen } from './live.ts'
import { loginPage } from './login.ts'
import { notices } from './notices.ts'
import { nowView } from './now.ts'
import { keepTimes, setServerTime } from './parts.ts'
import { rejectedView } from './rejected.ts'
import { type Route, routeOf } from './route.ts'
import { themeButton } from './theme-button.ts'
import type { View } from './view.ts'
import type { Summary } from './wire.ts'

const content = document.querySelector('#content')
let view: View | null = null
let summary: Summary | null = null
let version: string | null = null
let loggedOut = false

const above = notices(() => live.tryNow())
const live = listen({
  onSummary: now => {
    // This page belongs to the daemon that served it: after an update it gets the new one.
    if (version !== null && version !== now.version) return location.reload()
    version = now.version
    summary = now
    setServerTime(now.now)
    above.summary(now)
    showFailed(now.counts.FAILED)
    view?.update(now)
  },
  onConnection: connection => above.connection(connection),
})
function viewOf(route: Route): View {
  switch (route.page) {
    case 'attachments':
      return attachmentsView(route.filters, route.before)
    case 'attachment':
      return attachmentView(route.id)
    case 'failures':
      return failuresView()
    case 'rejected':
      return rejectedView(route.before)
    case 'now':
      return nowView()
  }
}

/** @param moved the reader went somewhere; otherwise the page came by itself and the focus stays where it is. */
function open(moved: boolean): void {
  const route = routeOf(location.hash)
  const focused = document.activeElement?.getAttribute('data-focus') ?? null
  const from = view
  from?.close()
  view = viewOf(route)
  document.title = `${view.title} · mediaferry`
  content?.replaceChildren(view.element)
  markNav(route)
  if (summary !== null) view.update(summary)
  if (!moved) return
  const kept =
    focused === null || from?.title !== view.title
      ? null
      : view.element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)
  if (kept instanceof HTMLInputElement) {
    kept.focus()
    kept.setSelectionRange(kept.value.length, kept.value.length)
  } else if (kept instanceof HTMLElement) kept.focus()
  else {
    window.scrollTo(0, 0)
    focusHeading()
  }
}

function focusHeading(): void {
  const heading = content?.querySelector('h1')
  if (heading instanceof HTMLElement) heading.focus()
}

function markNav(route: Route): void {
  const current =
    route.page === 'now'
      ? '#/'
      : route.page === 'failures'
        ? '#/failures'
        : route.page === 'rejected'
          ? ''
          : '#/attachments'
  for (const link of document.querySelectorAll('#nav a')) {
    if (link.getAttribute('href') === current) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
}

function showFailed(failed: number): void {
  document.querySelector('#failed')?.replaceChildren(failed === 0 ? '' : ` ${count(failed)}`)
}

function askForToken(): void {
  if (loggedOut) return
  loggedOut = true
  view?.close()
  view = null
  content?.replaceChildren(
    loginPage(() => {
      loggedOut = false
      live.tryNow()
      open(true)
    }),
  )
  const token = content?.querySelector('input')
  token?.focus()
}

window.addEventListener(LOGIN_NEEDED, askForToken)
window.addEventListener('hashchange', () => {
  if (!loggedOut && location.hash !== '#content') open(true)
})
document.querySelector('#skip')?.addEventListener('click', event => {
  event.preventDefault()
  focusHeading()
})
themeButton()
keepTimes()
open(false)
