/** The daemon said no, or (status 0) said nothing. */
export class ApiError extends Error {
  readonly status: number
  readonly hint: string | null

  constructor(status: number, message: string, hint: string | null) {
    super(message)
    this.status = status
    this.hint = hint
  }
}

/** Fired on `window` when the daemon wants OPS_TOKEN first. */
export const LOGIN_NEEDED = 'mediaferry:login-needed'

/** @throws ApiError; an aborted signal rejects with its reason. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return answerOf(await ask(path, signal === undefined ? {} : { signal }))
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return answerOf(await send(path, body))
}

/** Only JSON: the server refuses whatever a foreign form could send. @throws ApiError */
export function send(path: string, body: unknown): Promise<Response> {
  return ask(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

/** A response that is ok. @throws ApiError */
export async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { cache: 'no-store', ...init })
  } catch (error) {
    if (init.signal?.aborted === true) throw error
    throw new ApiError(
      0,
      'The daemon does not answer.',
      'Is it running? `pm2 status` or `mediaferry status` says so.',
    )
  }
  if (response.ok) return response
  if (response.status === 401 && path !== '/login') window.dispatchEvent(new Event(LOGIN_NEEDED))
  throw await errorOf(response)
}

/** A page of an older version could read an answer wrongly: main.ts loads itself anew when the version changes. */
async function answerOf<T>(response: Response): Promise<T> {
  return response.json()
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null)
  const said = (name: string): string | null => {
    if (typeof body !== 'object' || body === null) return null
    const value: unknown = Reflect.get(body, name)
    return typeof value === 'string' ? value : null
  }
  return new ApiError(
    response.status,
    said('error') ?? `The daemon answered ${response.status}.`,
    said('hint'),
  )
}

export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error)
  return error.hint === null ? error.message : `${error.message} ${error.hint}`
}
