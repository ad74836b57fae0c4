import { PUSH } from '../../database/schema-version.ts'

/**
 * What is left to a person after `init`. Without the two secrets the function answers 500 to everything; without the
 * address at Meta nobody calls it. `projectUrl`: SUPABASE_URL, when .env has it already.
 */
export function nextSteps(outOfOrder: boolean, projectUrl: string | undefined): string {
  const project = (projectUrl ?? 'https://<project ref>.supabase.co').replace(/\/+$/, '')
  return `
Next, in this folder:

  1. Fill in .env.
  2. npx supabase login                               once on this machine
     npx supabase link --project-ref <project ref>    once in this folder
  3. ${PUSH}${outOfOrder ? ' --include-all' : ''}
  4. npx supabase secrets set WHATSAPP_APP_SECRET=<app secret> WHATSAPP_VERIFY_TOKEN=<the text of .env>
  5. npx supabase functions deploy whatsapp-webhook --use-api
  6. At Meta, app dashboard, WhatsApp, Configuration, Webhook:
     Callback URL   ${project}/functions/v1/whatsapp-webhook
     Verify token   the text of .env; then subscribe to "messages"
  7. npx mediaferry doctor
  8. npx pm2 start ecosystem.config.cjs
`
}
