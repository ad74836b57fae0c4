import { type FaultRule, faultRule, type GraphRequest, type GraphRule, type MediaRule } from './faults.ts'

export interface ActiveFault {
  readonly id: number
  readonly rule: FaultRule
  /** Requests it will still spoil; null: until it is cleared. */
  readonly left: number | null
}

export interface FaultBoard {
  /** Returns the number to clear it by. Throws a ZodError for a rule that makes no sense. */
  add(rule: FaultRule): number
  /** One rule, or all of them. */
  clear(id?: number): void
  list(): ActiveFault[]
  /**
   * The rules that this request meets: any number that only add, then at most one that decides. Each spends
   * one of its `times`. A media host's bare address (null) meets what is wrong with the host as a whole: the
   * rules without `mediaId` and without an end.
   */
  takeGraph(request: GraphRequest, mediaId: string | null): GraphRule[]
  takeMedia(mediaId: string | null): MediaRule[]
}

const ADDS_ONLY: ReadonlySet<string> = new Set(['usage', 'metadata', 'delay'])

export function createFaultBoard(): FaultBoard {
  const active = new Map<number, { rule: FaultRule; left: number | null }>()
  let lastId = 0

  function take<R extends FaultRule>(mediaId: string | null, fits: (rule: FaultRule) => rule is R): R[] {
    const candidates = [...active].flatMap(([id, entry]) => {
      const { rule } = entry
      const meant = rule.mediaId === undefined || rule.mediaId === mediaId
      return meant && fits(rule) ? [{ id, entry, rule }] : []
    })
    const ofThisId = candidates.filter(({ rule }) => rule.mediaId !== undefined)
    const ofAll = candidates.filter(({ rule }) => rule.mediaId === undefined)
    const ordered = [...ofThisId, ...ofAll]
    const decides = ordered.find(({ rule }) => !ADDS_ONLY.has(rule.fault))
    const met = ordered.filter(({ rule }) => ADDS_ONLY.has(rule.fault))
    if (decides !== undefined) met.push(decides)
    for (const { id, entry } of met) {
      if (entry.left === null) continue
      entry.left -= 1
      if (entry.left === 0) active.delete(id)
    }
    return met.map(({ rule }) => rule)
  }

  return {
    add(rule) {
      const checked = faultRule.parse(rule)
      lastId += 1
      active.set(lastId, { rule: checked, left: checked.times ?? null })
      return lastId
    },
    clear(id) {
      if (id === undefined) active.clear()
      else active.delete(id)
    },
    list: () => [...active].map(([id, { rule, left }]) => ({ id, rule, left })),
    takeGraph: (request, mediaId) =>
      take(mediaId, (rule): rule is GraphRule => {
        return rule.on === 'graph' && (rule.only === undefined || rule.only === request)
      }),
    takeMedia: mediaId =>
      take(
        mediaId,
        (rule): rule is MediaRule => rule.on === 'media' && (mediaId !== null || rule.times === undefined),
      ),
  }
}
