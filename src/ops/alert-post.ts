import { setTimeout as delay } from 'node:timers/promises'
import { fetch } from 'undici'
import type { Alert } from './alerts.ts'

const TRIES = 3
const AGAIN_MS = 500
const TIMEOUT_MS = 10_000

/**
 * Posts an alert as JSON, `{source, alert, text, advice, worker, at}`, to ALERT_URL. `text` is what Slack, Mattermost
 * and their like show. Follows no redirect; tries three times; rejects with an error that does not name the address,
 * which is a secret in most such services.
 */
export async function postAlert(url: string, worker: string, alert: Alert): Promise<void> {
  const body = JSON.stringify({
    source: 'mediaferry',
    ...alert,
    text: `mediaferry: ${alert.text} ${alert.advice}`,
    worker,
    at: new Date().toISOString(),
  })
  for (let tried = 1; ; tried++) {
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      await answer.body?.cancel()
      if (answer.ok) return
      throw new Error(`ALERT_URL answered ${answer.status}`)
    } catch (error) {
      if (tried === TRIES) throw error
      await delay(AGAIN_MS * tried, undefined, { ref: false })
    }
  }
}
