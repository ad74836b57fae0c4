/**
 * The Edge Function's entry, and the only file here that knows it runs under Deno.
 *
 * Deployed, the platform routes `/functions/v1/whatsapp-webhook` here and ignores the address. Locally the
 * address comes from Deno's own `DENO_SERVE_ADDRESS` (`tcp:127.0.0.1:0` takes a free port, printed as
 * `Listening on http://…/` on standard error), with imports taken from the project's node_modules:
 *
 *     deno run --node-modules-dir=manual --cached-only --no-lock --allow-env --allow-net=127.0.0.1 index.ts
 */
import { createWebhook } from './app.ts'
import { createIngest } from './ingest.ts'
import { writeLog } from './log.ts'
import { readSettings } from './settings.ts'

const { settings, faults } = readSettings(name => Deno.env.get(name))

for (const fault of faults) writeLog('error', 'misconfigured', { fault })

const webhook = createWebhook(settings, settings === null ? null : createIngest(settings), writeLog)

Deno.serve(request => webhook.fetch(request))
