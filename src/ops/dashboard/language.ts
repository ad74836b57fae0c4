/** A tag that Intl takes: some browsers name a system locale instead, like en-US@posix. */
export function languageTag(language: string): string {
  try {
    return Intl.getCanonicalLocales(language)[0] ?? 'en'
  } catch {
    return 'en'
  }
}

// uPlot makes a number format of it as soon as it is loaded: this module is to be imported before it.
if (languageTag(navigator.language) !== navigator.language) {
  Object.defineProperty(navigator, 'language', { value: languageTag(navigator.language), configurable: true })
}
