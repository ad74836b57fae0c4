import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstDifference } from '../../.ci/text-difference.ts'

test('equal texts have none', () => {
  assert.equal(firstDifference('a\nb\n', 'a\nb\n'), undefined)
})

test('names the first line that differs, and both', () => {
  assert.equal(firstDifference('a\nb\nc', 'a\nx\ny'), 'line 2\n  committed: b\n  generated: x')
})

test('sees an end that came too soon, on either side', () => {
  assert.equal(firstDifference('a', 'a\nb'), 'line 2\n  committed: (the text has ended)\n  generated: b')
  assert.equal(firstDifference('a\nb', 'a'), 'line 2\n  committed: b\n  generated: (the text has ended)')
  assert.equal(firstDifference('', 'a'), 'line 1\n  committed: \n  generated: a')
})
