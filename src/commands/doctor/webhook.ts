import { signBody } from '../../../supabase/functions/whatsapp-webhook/sign.ts'
import { failure, ok, type Verdict, warning } from './finding.ts'

const NAME = 'whatsapp-webhook'
const DEPLOY = `npx supabase functions deploy ${NAME} --use-api`
const SECRETS =
  'npx supabase secrets set WHATSAPP_APP_SECRET=<app secret> WHATSAPP_VERIFY_TOKEN=<verify token>'

export const webhookUrl = (supabaseUrl: string): string => `${supabaseUrl}/functions/v1/${NAME}`

export interface WebhookAnswer {
  readonly status: number
  readonly text: string
}

/** What the function says to three questions; null for the two that need a secret which is not set here. */
export interface WebhookAnswers {
  /** A delivery with a signature that cannot be right. */
  readonly forged: WebhookAnswer
  /** A delivery without a message, signed with WHATSAPP_APP_SECRET. */
  readonly signed: WebhookAnswer | null
  /** Meta's handshake with WHATSAPP_VERIFY_TOKEN. */
  readonly handshake: WebhookAnswer | null
}

const CHALLENGE = 'mediaferry-doctor'

export async function askWebhook(
  url: string,
  {
    appSecret,
    verifyToken,
  }: { readonly appSecret: string | undefined; readonly verifyToken: string | undefined },
  signal: AbortSignal,
): Promise<WebhookAnswers> {
  const body = new TextEncoder().encode(JSON.stringify({ object: 'whatsapp_business_account', entry: [] }))
  const ask = async (address: string, init: RequestInit = {}): Promise<WebhookAnswer> => {
    const response = await fetch(address, { ...init, signal })
    return { status: response.status, text: (await response.text()).slice(0, 200) }
  }
  const deliver = (signature: string) =>
    ask(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-hub-signature-256': signature },
      body,
    })
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.challenge': CHALLENGE,
    'hub.verify_token': verifyToken ?? '',
  })
  const [forged, signed, handshake] = await Promise.all([
    deliver(`sha256=${'0'.repeat(64)}`),
    appSecret === undefined ? null : signBody(appSecret, body).then(deliver),
    verifyToken === undefined ? null : ask(`${url}?${query}`),
  ])
  return { forged, signed, handshake }
}

export function webhookVerdict({ forged, signed, handshake }: WebhookAnswers): Verdict {
  if (forged.status === 404) return failure('The function is not deployed.', DEPLOY)
  if (forged.status === 503)
    return failure('The function does not run.', `See its log in the dashboard, or ${DEPLOY}`)
  if (forged.status === 500)
    return failure('The function has no app secret, and refuses everything.', SECRETS)
  if (forged.status === 200) {
    return failure('It takes a delivery with a forged signature: that is not our function.', DEPLOY)
  }
  // The platform's own refusal is JSON; our function says it in words.
  if (forged.status === 401 && !forged.text.startsWith('Signature')) {
    return failure(
      "The platform's token check is on: WhatsApp's deliveries never reach the function.",
      `${DEPLOY}, where supabase/config.toml says verify_jwt = false for it; or add --no-verify-jwt`,
    )
  }
  if (forged.status !== 401) {
    return failure(
      `It answered ${forged.status} to a forged signature, not 401.`,
      `See its log in the dashboard, or ${DEPLOY}`,
    )
  }
  if (signed !== null && signed.status === 401) {
    return failure('The function has another app secret than WHATSAPP_APP_SECRET here.', SECRETS)
  }
  if (signed !== null && signed.status !== 200) {
    return failure(
      `It answered ${signed.status} to a signed delivery.`,
      `See its log in the dashboard, or ${DEPLOY}`,
    )
  }
  if (handshake !== null && !(handshake.status === 200 && handshake.text === CHALLENGE)) {
    return failure('The function has another verify token than WHATSAPP_VERIFY_TOKEN here.', SECRETS)
  }
  if (signed === null || handshake === null) {
    const unset = [
      signed === null ? 'WHATSAPP_APP_SECRET' : '',
      handshake === null ? 'WHATSAPP_VERIFY_TOKEN' : '',
    ]
    return warning(
      `It refuses a forged signature; whether it takes a good one was not tried.`,
      `Set ${unset.filter(name => name !== '').join(' and ')} here too.`,
    )
  }
  return ok('refuses a forged signature, takes ours and answers the handshake')
}
