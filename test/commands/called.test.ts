import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asTyped, helpAsTyped } from '../../src/commands/called.ts'

test('what is to be typed, in a text and in a help text', () => {
  assert.equal(
    asTyped('see `mediaferry status 4`, mediaferry does', 'npx mediaferry'),
    'see `npx mediaferry status 4`, mediaferry does',
  )
  const help = (text: string) => helpAsTyped(text, ['url', 'status'], 'npm run mediaferry --')
  assert.equal(help('Usage: mediaferry url [options]'), 'Usage: npm run mediaferry -- url [options]')
  assert.equal(help('curl "$(mediaferry url 1)"'), 'curl "$(npm run -s mediaferry -- url 1)"')
  assert.equal(help('source <(mediaferry status'), 'source <(npm run -s mediaferry -- status')
  assert.equal(help('mediaferry carries files'), 'mediaferry carries files')
})
