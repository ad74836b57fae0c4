import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Cursor, CursorStore } from '../../src/attachment.ts'
import { createCatchUp, PAGE_SIZE } from '../../src/intake/catch-up.ts'
import type { Page, Row } from '../../src/intake/cursor.ts'

/** A table of rows, whose transaction ids are their own ids plus 1,000. */
function world(start: Cursor | null = { cluster: 'c', xid: '1000', id: 0 }) {
  const rows: Row[] = []
  const story: string[] = []
  let saved = start
  let gate: Promise<void> = Promise.resolve()
  let failing: Error | null = null
  const state = { cluster: 'c', calls: 0 }
  const cursor: CursorStore = {
    load: () => saved,
    save: to => {
      saved = to
      story.push(`save ${to.id}`)
    },
  }
  // What is answered is what was true at the call, however long the answer takes.
  const attachmentsAfter = async (xid: string, id: number, max: number): Promise<Page> => {
    state.calls++
    const after = rows.filter(
      row => BigInt(row.created_xid) > BigInt(xid) || (row.created_xid === xid && row.id > id),
    )
    const next = String(1001 + rows.length)
    const anchor = rows.find(row => row.id === id)?.created_xid ?? null
    await gate
    if (failing) throw failing
    return {
      cluster: state.cluster,
      horizon: next,
      next,
      anchor,
      rows: after.slice(0, Math.min(max, PAGE_SIZE)),
    }
  }
  const catchUp = createCatchUp({
    attachmentsAfter,
    cursor,
    onRows: found => story.push(`rows ${found[0]?.id}-${found.at(-1)?.id}`),
    onConfirmed: next => story.push(`confirmed ${next}`),
    onDropped: reason => story.push(`dropped: ${reason}`),
    onError: error => story.push(`error ${String(error)}`),
  })
  return {
    state,
    story,
    catchUp,
    saved: () => saved,
    insert(count: number) {
      for (let i = 0; i < count; i++) {
        const id = rows.length + 1
        rows.push({ id, created_xid: String(1000 + id), upload_status: 'PENDING' })
      }
    },
    forget: (id: number) =>
      rows.splice(
        rows.findIndex(row => row.id === id),
        1,
      ),
    fail(error: Error | null) {
      failing = error
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
    async idle() {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve()
    },
  }
}

describe('catching up', () => {
  test('pages until there are no more rows, and hands over before it moves on', async () => {
    const { insert, catchUp, story, saved, idle } = world()
    insert(PAGE_SIZE + 3)
    catchUp.run()
    await idle()
    assert.deepEqual(story, [`rows 1-${PAGE_SIZE}`, `save ${PAGE_SIZE}`, 'rows 501-503', 'save 503'])
    assert.deepEqual(saved(), { cluster: 'c', xid: '1503', id: 503 })
    catchUp.run()
    await idle()
    assert.equal(story.length, 4, 'nothing new, nothing said')
    insert(1)
    catchUp.run()
    await idle()
    assert.deepEqual(story.slice(4), ['rows 504-504', 'save 504'])
  })

  test('without a cursor begins at the horizon: older rows are the sweep’s', async () => {
    const { insert, catchUp, story, idle, state } = world(null)
    insert(2000)
    catchUp.run()
    await idle()
    assert.deepEqual(story, ['save 0'])
    assert.equal(state.calls, 2)
    insert(1)
    catchUp.run()
    await idle()
    assert.deepEqual(story, ['save 0', 'rows 2001-2001', 'save 2001'])
  })

  test('a cursor of another cluster, or whose row is gone, is dropped and begun anew', async () => {
    const { insert, forget, catchUp, story, idle, state } = world()
    insert(3)
    catchUp.run()
    await idle()
    state.cluster = 'other'
    catchUp.run()
    await idle()
    assert.match(story[2] ?? '', /^dropped: .*cluster/)
    assert.equal(story[3], 'save 0')
    insert(1)
    catchUp.run()
    await idle()
    forget(4)
    catchUp.run()
    await idle()
    assert.match(story[6] ?? '', /^dropped: its row/)
  })

  test('a confirmation is given before the rows of its run', async () => {
    const { insert, catchUp, story, idle } = world()
    insert(1)
    catchUp.run({ confirm: true })
    await idle()
    assert.deepEqual(story, ['confirmed 1002', 'rows 1-1', 'save 1'])
  })

  test('one that failed says so, and the next run makes up for it, confirmation and all', async () => {
    const { insert, catchUp, story, idle, fail } = world()
    insert(1)
    fail(new Error('down'))
    catchUp.run({ confirm: true })
    await idle()
    assert.deepEqual(story, ['error Error: down'])
    fail(null)
    catchUp.run()
    await idle()
    assert.deepEqual(story.slice(1), ['confirmed 1002', 'rows 1-1', 'save 1'])
  })

  test('asked again while it runs, it runs once more, and never two at once', async () => {
    const { catchUp, idle, hold, state, insert, story } = world()
    const open = hold()
    catchUp.run()
    catchUp.run()
    catchUp.run({ confirm: true })
    await idle()
    assert.equal(state.calls, 1)
    insert(1)
    open()
    await idle()
    assert.equal(state.calls, 2)
    assert.deepEqual(story, ['confirmed 1002', 'rows 1-1', 'save 1'])
  })

  test('a confirmation that is asked for during a call is not given with that call’s answer', async () => {
    const { catchUp, idle, hold, insert, story } = world()
    const open = hold()
    catchUp.run({ confirm: true })
    await idle()
    insert(1)
    catchUp.run({ confirm: true })
    open()
    await idle()
    assert.deepEqual(
      story.filter(line => line.startsWith('confirmed')),
      ['confirmed 1002'],
    )
  })

  test('stopped, it waits for its call and hands nothing over', async () => {
    const { catchUp, idle, hold, insert, story } = world()
    insert(1)
    const open = hold()
    catchUp.run()
    await idle()
    let stopped = false
    const stopping = catchUp.stop().then(() => {
      stopped = true
    })
    await idle()
    assert.equal(stopped, false)
    open()
    await stopping
    catchUp.run()
    await idle()
    assert.deepEqual(story, [])
  })
})
