import { explain, send } from './api.ts'
import { h, setText } from './dom.ts'

/** Asks for OPS_TOKEN. The cookie that the server sets cannot be read by any script. */
export function loginPage(done: () => void): HTMLElement {
  const input = h('input', {
    id: 'token',
    name: 'token',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  })
  const button = h('button', { type: 'submit', class: 'button primary' }, 'Log in')
  const fault = h('p', { class: 'fault', role: 'alert' })
  const form = h(
    'form',
    { class: 'card login' },
    h('h1', { tabindex: -1 }, 'Log in'),
    h(
      'p',
      {},
      'This daemon can be reached from other machines, so it asks for the OPS_TOKEN from its settings.',
    ),
    h('label', { for: 'token' }, 'Token'),
    input,
    fault,
    h('div', { class: 'buttons' }, button),
  )
  form.addEventListener('submit', async event => {
    event.preventDefault()
    button.disabled = true
    setText(fault, '')
    try {
      await send('/login', { token: input.value })
      done()
    } catch (error) {
      setText(fault, explain(error))
      input.select()
    } finally {
      button.disabled = false
    }
  })
  return form
}
