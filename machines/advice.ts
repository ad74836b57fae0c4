import type { Dependency } from '../src/attachment.ts'

/** What nobody has to do anything about yet, one for each dependency: it may pass by itself. */
const WHEN_IN_DOUBT: Record<Dependency, string> = {
  whatsapp: 'Nothing to do yet: it is asked again by itself. If it lasts, see https://metastatus.com.',
  storage: 'Nothing to do yet: it is asked again by itself. If it lasts, see https://status.supabase.com.',
  database: 'Nothing to do yet: it is asked again by itself. If it lasts, see whether the project is paused.',
}

/** By dependency and failure code: what only a person can mend. */
const BY_CODE: Record<Dependency, Readonly<Record<string, string>>> = {
  whatsapp: {
    token_rejected:
      'Create a new access token for the system user in Meta Business Settings, set WHATSAPP_ACCESS_TOKEN and restart (`pm2 reload ecosystem.config.cjs`).',
    phone_number_unreadable:
      'Give the system user access to that WhatsApp account in Meta Business Settings.',
    account: 'Open WhatsApp Manager: the account is restricted or locked, and only its owner can clear that.',
    rate_limited: 'Nothing to do: the limit passes by itself. If it comes every day, lower CONCURRENCY.',
  },
  storage: {
    bucket_missing:
      'Create the private bucket that STORAGE_BUCKET names, or apply the migrations again with `supabase db push --remote`.',
    credentials: 'Set SUPABASE_SECRET_KEY to a valid secret key of this project and restart.',
    permission: 'Give service_role its rights on storage.objects back; a policy or a grant was changed.',
    quota: 'Free some space or raise the plan: the project has used up its Storage quota.',
  },
  database: {
    credentials: 'Set SUPABASE_SECRET_KEY to a valid secret key of this project and restart.',
    schema:
      'Apply the migrations with `supabase db push --remote`: a function of mediaferry is missing or older than the daemon.',
  },
}

/** What an operator should do about an outage, in a sentence. Every code has an answer. */
export function adviceFor(dependency: Dependency, code: string): string {
  const known = BY_CODE[dependency]
  return (Object.hasOwn(known, code) ? known[code] : undefined) ?? WHEN_IN_DOUBT[dependency]
}
