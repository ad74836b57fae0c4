import { z } from 'zod'
import { tidyText, withoutSecrets } from '../../errors.ts'
import { failure, ok, type Verdict, warning } from './finding.ts'

const NEW_TOKEN =
  'Meta Business Settings, Users, System users, "Generate token" with whatsapp_business_messaging; set WHATSAPP_ACCESS_TOKEN and restart (`pm2 reload ecosystem.config.cjs`).'

const SCOPE = 'whatsapp_business_messaging'

const graphError = z.object({ error: z.object({ code: z.number().optional(), message: z.string() }) })

/** Meta, "Graph API reference: /debug_token". Times are unix seconds; 0 never comes. */
const description = z.object({
  data: z.object({
    is_valid: z.boolean(),
    expires_at: z.number().optional(),
    scopes: z.array(z.string()).optional(),
    error: z.object({ message: z.string() }).optional(),
  }),
})

export interface TokenAnswer {
  readonly status: number
  readonly body: unknown
}

export async function askAboutToken(
  graph: { readonly url: string; readonly version: string; readonly token: string },
  signal: AbortSignal,
): Promise<TokenAnswer> {
  const address = new URL(`${graph.url}/${graph.version}/debug_token`)
  address.searchParams.set('input_token', graph.token)
  const response = await fetch(address, { headers: { authorization: `Bearer ${graph.token}` }, signal })
  // Meta repeats a token that it cannot read.
  const text = (await response.text()).replaceAll(graph.token, '[secret]')
  return { status: response.status, body: parsed(text) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const DAY = 86_400

/** `now`: unix seconds. */
export function tokenVerdict({ status, body }: TokenAnswer, now: number): Verdict {
  const refused = graphError.safeParse(body).data?.error
  if (refused !== undefined) {
    const said = tidyText(withoutSecrets(refused.message), 200)
    return refused.code === 190 || status === 401
      ? failure(`WhatsApp does not accept the token: ${said}`, NEW_TOKEN)
      : warning(
          `WhatsApp does not tell about the token: ${said}`,
          'Try it with a file: `mediaferry sweep --limit 1 --verbose`',
        )
  }
  const token = description.safeParse(body).data?.data
  if (token === undefined) {
    return failure(
      `WhatsApp answered ${status} with something that cannot be read.`,
      'Check WHATSAPP_GRAPH_URL and WHATSAPP_GRAPH_VERSION; if they are right, see https://metastatus.com.',
    )
  }
  const { is_valid: valid, expires_at: expires = 0, scopes } = token
  if (!valid)
    return failure(
      `The token is not valid: ${tidyText(withoutSecrets(token.error?.message ?? 'it was revoked'), 200)}`,
      NEW_TOKEN,
    )
  if (scopes !== undefined && !scopes.includes(SCOPE)) {
    return failure(`The token has no permission ${SCOPE}.`, NEW_TOKEN)
  }
  if (expires === 0) return ok('valid, and does not expire')
  const on = new Date(expires * 1000).toISOString().slice(0, 16).replace('T', ' ')
  if (expires <= now) return failure(`The token expired on ${on} UTC.`, NEW_TOKEN)
  const days = Math.floor((expires - now) / DAY)
  return days < 7
    ? warning(
        `The token expires on ${on} UTC, in ${days === 0 ? 'less than a day' : `${days} days`}.`,
        NEW_TOKEN,
      )
    : ok(`valid until ${on} UTC, for ${days} days`)
}
