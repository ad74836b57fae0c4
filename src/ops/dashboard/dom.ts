/**
 * The one way in which this page makes elements. Texts become text nodes and nothing else, so a caption, a file
 * name or an error message can never become markup.
 */
type Child = Node | string | number | null
type Attribute = string | number | boolean | null | ((event: Event) => void)

/** `on…` attributes that are functions become listeners; `false` and `null` leave an attribute out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children)
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Attribute>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

function fill<E extends Element>(
  element: E,
  attributes: Readonly<Record<string, Attribute>>,
  children: readonly Child[],
): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value)
    else if (value !== null && value !== false)
      element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(
    ...children
      .filter(child => child !== null)
      .map(child => (typeof child === 'number' ? String(child) : child)),
  )
  return element
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

const shown = new WeakMap<Element, string>()

/**
 * Builds the content anew only when `value` differs from what is shown; whoever had the focus in it has it again
 * afterwards, found by its `data-focus`. A summary comes every second: a reader's focus has to outlive it.
 */
export function show(place: Element, value: unknown, build: () => readonly Child[]): void {
  const key = JSON.stringify(value)
  if (shown.get(place) === key) return
  shown.set(place, key)
  const active = document.activeElement
  const name = active !== null && place.contains(active) ? active.getAttribute('data-focus') : null
  place.replaceChildren()
  fill(place, {}, build())
  if (name === null) return
  for (const candidate of place.querySelectorAll('[data-focus]')) {
    if (candidate instanceof HTMLElement && candidate.dataset.focus === name) candidate.focus()
  }
}
