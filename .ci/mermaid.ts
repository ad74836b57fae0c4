import type { AnyStateMachine, AnyStateNode } from 'xstate'

/**
 * A machine as a Mermaid state diagram, drawn from its definition. GitHub renders it
 * (https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/creating-diagrams).
 * Transitions between the same two states share an arrow; one that only forbids an event is left out.
 */
export function drawMachine(machine: AnyStateMachine): string {
  return ['stateDiagram-v2', ...inside(machine.root, 1)].join('\n')
}

function inside(parent: AnyStateNode, depth: number): string[] {
  const indent = '  '.repeat(depth)
  const children = Object.values(parent.states)
  const first = parent.initial.target[0]
  const lines = first === undefined ? [] : [`${indent}[*] --> ${first.key}`]
  for (const child of children.filter(isCompound)) {
    lines.push(`${indent}state ${child.key} {`, ...inside(child, depth + 1), `${indent}}`)
  }
  // Arrows come after every state of the level is known, and at the level that both of their ends are in.
  for (const [ends, labels] of arrowsOf(parent)) lines.push(`${indent}${ends}: ${labels.join(', ')}`)
  for (const child of children) if (child.type === 'final') lines.push(`${indent}${child.key} --> [*]`)
  return lines
}

/** The arrows to draw at the level of `parent`: those whose ends have it as their nearest common ancestor. */
function arrowsOf(parent: AnyStateNode): Map<string, string[]> {
  const arrows = new Map<string, string[]>()
  for (const holder of [parent, ...descendants(parent)]) {
    for (const [event, candidates] of holder.transitions) {
      for (const { target, actions, guard } of candidates) {
        const to = target?.[0] ?? (actions.length > 0 ? holder : undefined)
        if (to === undefined) continue
        for (const source of sourcesOf(holder, to, event)) {
          if (commonAncestor(source, to) !== parent) continue
          const ends = `${source.key} --> ${to.key}`
          const labels = arrows.get(ends) ?? []
          labels.push(labelOf(event, guardName(guard)))
          arrows.set(ends, labels)
        }
      }
    }
  }
  return arrows
}

/** Mermaid cannot draw an arrow from a state to one inside of it: that one starts at each state it is taken in. */
function sourcesOf(holder: AnyStateNode, to: AnyStateNode, event: string): AnyStateNode[] {
  const inner = descendants(holder)
  if (!inner.includes(to)) return [holder]
  return inner.filter(node => node.type === 'atomic' && node !== to && !node.transitions.has(event))
}

function descendants(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states).flatMap(child => [child, ...descendants(child)])
}

function commonAncestor(a: AnyStateNode, b: AnyStateNode): AnyStateNode | undefined {
  const above = new Set<AnyStateNode>()
  for (let at = a.parent; at !== undefined; at = at.parent) above.add(at)
  let at = b.parent
  while (at !== undefined && !above.has(at)) at = at.parent
  return at
}

const isCompound = (node: AnyStateNode): boolean => node.type === 'compound'

/** `xstate.done.actor.transfer` is "transfer done" for a reader, `xstate.after.wait.circuit.open` "after wait". */
function labelOf(event: string, guard: string | undefined): string {
  const [, kind, subject, name] = /^xstate\.(done|error|after)\.([^.]+)(?:\.(.+))?$/.exec(event) ?? []
  const text =
    kind === undefined
      ? event
      : kind === 'after'
        ? `after ${subject}`
        : `${name} ${kind === 'done' ? 'done' : 'failed'}`
  return guard === undefined ? text : `${text} [${guard}]`
}

function guardName(guard: unknown): string | undefined {
  if (typeof guard === 'string') return guard
  if (typeof guard === 'object' && guard !== null && 'type' in guard) return String(guard.type)
  return undefined
}

/** Puts each diagram between its markers, and names the markers that the text lacks. */
export function fillDiagrams(
  text: string,
  diagrams: Readonly<Record<string, string>>,
): { readonly text: string; readonly missing: readonly string[] } {
  const missing: string[] = []
  let filled = text
  for (const [name, diagram] of Object.entries(diagrams)) {
    const [begin, end] = [`<!-- diagram:${name} -->`, `<!-- /diagram:${name} -->`]
    const [from, to] = [filled.indexOf(begin), filled.indexOf(end)]
    if (from === -1) missing.push(begin)
    if (to < from || to === -1) missing.push(end)
    if (from === -1 || to < from) continue
    filled = `${filled.slice(0, from + begin.length)}\n\`\`\`mermaid\n${diagram}\n\`\`\`\n${filled.slice(to)}`
  }
  return { text: filled, missing }
}
