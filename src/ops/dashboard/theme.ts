/** Loaded before the first paint, so that a page in the dark does not flash white. */
const KEY = 'mediaferry-theme'

export type Theme = 'light' | 'dark'

const prefersDark = matchMedia('(prefers-color-scheme: dark)')

/** Private windows and strict settings have no storage: then the choice lasts as long as the page. */
function remembered(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset.theme
  if (chosen === 'light' || chosen === 'dark') return chosen
  return prefersDark.matches ? 'dark' : 'light'
}

export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // Nothing to do: see `remembered`.
  }
}

/** Answers what ends it. */
export function onThemeChange(listener: () => void): () => void {
  const watch = new MutationObserver(listener)
  watch.observe(document.documentElement, { attributeFilter: ['data-theme'] })
  prefersDark.addEventListener('change', listener)
  return () => {
    watch.disconnect()
    prefersDark.removeEventListener('change', listener)
  }
}

function recall(): void {
  const theme = remembered()
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
}

recall()
window.addEventListener('storage', event => {
  if (event.key === KEY) recall()
})
