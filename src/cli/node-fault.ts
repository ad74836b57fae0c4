/** As `engines` in package.json has it; undici 8 fails to load in older ones. */
const LEAST = [22, 19] as const

/** What to tell the user of a Node.js that is too old; undefined for one that is not. */
export function nodeFault(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return undefined
  return (
    `mediaferry needs Node ${LEAST.join('.')} or newer; this is ${version}.\n` +
    '`npm install node@24` in this folder brings one, which `npx mediaferry` then uses.'
  )
}
