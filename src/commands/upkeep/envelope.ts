/**
 * What is kept of a delivery that was not understood is the part that lacked its shape: a message, a change, an
 * entry, or the whole body. Around it goes what it had come in, so that the webhook's own reading can have it again.
 * The bytes themselves stay as they are.
 */
export function inEnvelope(payload: Uint8Array, phoneNumberId: string | null): Uint8Array {
  const part = parsed(payload)
  if (!isObject(part) || 'entry' in part) return payload
  if ('changes' in part) return around('{"entry":[', payload, ']}')
  if ('field' in part || 'value' in part) return around('{"entry":[{"changes":[', payload, ']}]}')
  if ('messages' in part) {
    return around('{"entry":[{"changes":[{"field":"messages","value":', payload, '}]}]}')
  }
  const metadata = phoneNumberId === null ? {} : { phone_number_id: phoneNumberId }
  const before = `{"entry":[{"changes":[{"field":"messages","value":{"metadata":${JSON.stringify(metadata)},"messages":[`
  return around(before, payload, ']}}]}]}')
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload))
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const around = (before: string, payload: Uint8Array, after: string): Uint8Array =>
  Buffer.concat([Buffer.from(before), payload, Buffer.from(after)])
