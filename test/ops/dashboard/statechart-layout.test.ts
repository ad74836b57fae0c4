import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drawMachine } from '../../../.ci/mermaid.ts'
import { attachmentMachine } from '../../../machines/attachment.ts'
import { type Box, type Layout, NARROW, WIDE } from '../../../src/ops/dashboard/statechart-layout.ts'

const drawn = drawMachine(attachmentMachine)
const arrowsOfMachine = Array.from(
  drawn.matchAll(/^\s*(\w+) --> (\w+):/gm),
  ([, from, to]) => `${from} → ${to}`,
)
const statesOfMachine = new Set(arrowsOfMachine.flatMap(arrow => arrow.split(' → ')))

for (const [name, layout] of Object.entries({ wide: WIDE, narrow: NARROW })) {
  test(`the ${name} picture has the states and the arrows of the machine`, () => {
    const states = [layout.frame, ...layout.boxes].map(({ state }) => state)
    assert.deepEqual(states.toSorted(), [...statesOfMachine].sort())
    assert.deepEqual(
      layout.arrows.map(({ from, to }) => `${from} → ${to}`).sort(),
      arrowsOfMachine.toSorted(),
    )
  })

  test(`the ${name} picture: the states inside of UPLOADING stand in its frame, the others outside`, () => {
    const inside = Object.keys(attachmentMachine.states.UPLOADING?.states ?? {})
    for (const box of layout.boxes) {
      assert.equal(within(box, layout.frame), inside.includes(box.state), box.state)
      assert.ok(within(box, { state: '', x: 0, y: 0, width: layout.width, height: layout.height }), box.state)
    }
  })

  test(`the ${name} picture: each arrow begins and ends at the edge of its states`, () => {
    for (const { from, to, path } of layout.arrows) {
      const [start, end] = endsOf(path)
      assert.ok(atEdge(boxOf(layout, from), start), `${from} → ${to} begins at ${start}`)
      assert.ok(atEdge(boxOf(layout, to), end), `${from} → ${to} ends at ${end}`)
    }
  })
}

type Point = readonly [x: number, y: number]

function boxOf({ boxes, frame }: Layout, state: string): Box {
  const found = [frame, ...boxes].find(box => box.state === state)
  assert.ok(found !== undefined, state)
  return found
}

function within(box: Box, outer: Box): boolean {
  const right = box.x + box.width <= outer.x + outer.width
  const bottom = box.y + box.height <= outer.y + outer.height
  return box.x >= outer.x && box.y >= outer.y && right && bottom
}

function atEdge({ x, y, width, height }: Box, [left, top]: Point): boolean {
  const onSide = (left === x || left === x + width) && top >= y && top <= y + height
  const onTop = (top === y || top === y + height) && left >= x && left <= x + width
  return onSide || onTop
}

/** Walks a path of M, H, V, Q and C with absolute numbers. */
function endsOf(path: string): readonly [Point, Point] {
  let at: Point = [0, 0]
  let start: Point | null = null
  for (const [, command, text = ''] of path.matchAll(/([MHVQC])([^MHVQC]*)/g)) {
    const numbers = text
      .trim()
      .split(/[\s,]+/)
      .map(Number)
    const [first = 0] = numbers
    if (command === 'H') at = [first, at[1]]
    else if (command === 'V') at = [at[0], first]
    else at = [numbers.at(-2) ?? 0, numbers.at(-1) ?? 0]
    start ??= at
  }
  return [start ?? at, at]
}
