import { icon } from './icons.ts'
import { chooseTheme, currentTheme, onThemeChange } from './theme.ts'

const SUN =
  'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5V5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3 7 7M17 17l1.7 1.7M18.7 5.3 17 7M7 17l-1.7 1.7'
const MOON = 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5'

export function themeButton(): void {
  const button = document.querySelector('#theme')
  if (button === null) return
  const draw = (): void => {
    const dark = currentTheme() === 'dark'
    button.setAttribute('aria-pressed', String(dark))
    button.replaceChildren(icon(dark ? SUN : MOON))
  }
  button.addEventListener('click', () => chooseTheme(currentTheme() === 'dark' ? 'light' : 'dark'))
  onThemeChange(draw)
  draw()
}
