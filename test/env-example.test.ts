import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSettings, SETTING_NAMES } from '../src/settings.ts'

interface Line {
  readonly name: string
  readonly value: string
  readonly commentedOut: boolean
  /** The lines of explanation above it, without another setting's line between. */
  readonly explanation: string
}

const lines = settingLines(readFileSync(join(import.meta.dirname, '..', '.env.example'), 'utf8'))

test('names every setting exactly once and no other', () => {
  assert.deepEqual(lines.map(line => line.name).sort(), [...SETTING_NAMES].sort())
})

test('explains every setting', () => {
  for (const { name, explanation } of lines) assert.ok(explanation.length > 20, `${name} has no explanation`)
})

test('shows the real default of each setting that has one', () => {
  const defaults = readSettings({}, [])
  const shown = lines.filter(line => line.value !== '').map(({ name, value }) => [name, value])
  assert.deepEqual(readSettings(Object.fromEntries(shown), []), defaults)
  assert.deepEqual(shown.map(([name]) => name).sort(), Object.keys(defaults).sort())
})

test('has only what must be filled in as an active line, and empty', () => {
  assert.deepEqual(
    lines.filter(line => !line.commentedOut),
    lines.filter(line => /^(SUPABASE_|WHATSAPP_(ACCESS|APP|VERIFY)_)/.test(line.name) && line.value === ''),
  )
})

function settingLines(text: string): Line[] {
  const found: Line[] = []
  let explanation = ''
  for (const line of text.split('\n')) {
    const [, hash, name, value] = /^(#?)([A-Z][A-Z_]*)=(.*)$/.exec(line) ?? []
    if (name !== undefined) {
      found.push({ name, value: value ?? '', commentedOut: hash === '#', explanation })
    } else {
      // A blank line ends a paragraph; two settings may share the one above them.
      explanation = line.startsWith('# ') ? explanation + line.slice(2) : ''
    }
  }
  return found
}
