import { explain } from './api.ts'
import { h, setText } from './dom.ts'

export interface Question {
  readonly title: string
  readonly text: string
  /** What the button that does it says: the verb. */
  readonly verb: string
  /** Asks for a line of text too. */
  readonly field?: { readonly label: string; readonly placeholder: string }
}

/**
 * Asks once, does it, and says what was done. When it does not work the dialog stays and says why. The browser's own
 * modal dialog keeps the focus inside, closes on Escape and gives the focus back.
 */
export function act(question: Question, action: (text: string) => Promise<string>): void {
  const field = question.field
  const input = h('input', {
    id: 'ask-field',
    type: 'text',
    maxlength: 200,
    autocomplete: 'off',
    placeholder: field?.placeholder ?? '',
  })
  const fault = h('p', { class: 'fault', role: 'alert' })
  const cancel = h('button', { type: 'button', class: 'button' }, 'Cancel')
  const confirm = h('button', { type: 'submit', class: 'button primary' }, question.verb)
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'ask-title' }, question.title),
    h('p', { id: 'ask-text' }, question.text),
    field === undefined ? null : h('label', { for: 'ask-field' }, field.label),
    field === undefined ? null : input,
    fault,
    h('div', { class: 'buttons' }, cancel, confirm),
  )
  const dialog = h('dialog', { 'aria-labelledby': 'ask-title', 'aria-describedby': 'ask-text' }, form)
  cancel.addEventListener('click', () => dialog.close())
  dialog.addEventListener('close', () => dialog.remove())
  form.addEventListener('submit', async event => {
    event.preventDefault()
    if (confirm.disabled) return
    confirm.disabled = true
    setText(fault, '')
    try {
      const done = await action(input.value.trim())
      dialog.close()
      say(done)
    } catch (error) {
      setText(fault, explain(error))
    } finally {
      confirm.disabled = false
    }
  })
  document.body.append(dialog)
  dialog.showModal()
  if (field === undefined) confirm.focus()
  else input.focus()
}

/** Shows a line at the foot of the page, and reads it out, until the next one or until it is put away. */
export function say(text: string): void {
  const place = document.querySelector('#said')
  place?.replaceChildren(
    h('p', {}, text),
    h('button', { type: 'button', class: 'button quiet', onclick: () => place.replaceChildren() }, 'Dismiss'),
  )
}
