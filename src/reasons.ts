/** What a failure code means, and what the person who runs mediaferry should do about it. */
export interface Reason {
  readonly meaning: string
  readonly advice: string
  /** Another try cannot help: there is nothing to ask WhatsApp for. */
  readonly final?: true
  /** What would have to be the reason for another try of a `final` one to help after all. */
  readonly unless?: string
}

const RETRY =
  'Then run `mediaferry retry --failed`, with --code to narrow it, within the seven days that Meta keeps the file.'

/** Every code that a row can end with: the one table that dashboard, command line and log show. */
export const REASONS: Readonly<Record<string, Reason>> = {
  // The attachment itself.
  integrity: {
    meaning: 'What arrived differs in size or SHA-256 from what WhatsApp declared; nothing of it was kept.',
    advice: 'Ask the sender to send the file again.',
  },
  error_page: {
    meaning: 'WhatsApp sent a web page or a JSON error in place of the file.',
    advice: `Look for a proxy between this machine and Meta. ${RETRY}`,
  },
  media_gone: {
    meaning:
      'WhatsApp no longer has the file, or never lets this token see it: the sender deleted it, most likely.',
    advice: 'Ask the sender to send it again.',
    final: true,
    unless: 'the token lacked a permission',
  },
  media_expired: {
    meaning: 'The file was older than the seven days that Meta keeps it.',
    advice: 'Ask the sender to send it again, and look in system_events why it was not carried in time.',
    final: true,
  },
  media_unsupported: {
    meaning: 'A kind of message that the WhatsApp Cloud API does not hand out (131051).',
    advice: 'Nothing can be done here: ask the sender to send it in another form.',
    final: true,
  },
  media_unavailable: {
    meaning: 'WhatsApp says that this message is not available (131060).',
    advice: 'Ask the sender to send it again.',
    final: true,
  },
  media_id_invalid: {
    meaning: 'The webhook named a media id that cannot stand in an address.',
    advice: 'Look at the row; a retry changes nothing.',
    final: true,
  },
  object_key_unsafe: {
    meaning: 'The row has a bucket or an object prefix that cannot be made into a safe key.',
    advice: 'Only letters, digits and _ - . may stand in it: mend the row, then retry it.',
  },
  too_large: {
    meaning: 'The file is larger than MAX_FILE_SIZE, or than the 100 MB that WhatsApp passes on (131052).',
    advice: `Raise MAX_FILE_SIZE if it is lower than 100MB. ${RETRY}`,
  },
  media_host_refused: {
    meaning: 'The address of the file is on a host that the token must not be sent to.',
    advice: `If the host is Meta's, add it to WHATSAPP_MEDIA_HOSTS and restart. ${RETRY}`,
  },
  download_refused: {
    meaning: 'The media host refused the download, with a fresh address too.',
    advice: `If many files end so, look for a proxy between this machine and Meta. ${RETRY}`,
  },
  internal: {
    meaning: 'A fault in mediaferry itself.',
    advice: 'Please report it with the log line of this attachment.',
  },
  media_id_missing: {
    meaning: 'The webhook named no media id, so there is nothing to ask WhatsApp for.',
    advice: 'Ask the sender to send it again.',
    final: true,
  },
  // Its daemons, and its people.
  worker_lost: {
    meaning: 'Five daemons in a row lost their lease while they had this file: it may be what ended them.',
    advice: `Look in the log for what ended them, and mend that. ${RETRY}`,
  },
  forgotten: {
    meaning: 'The person who sent it was forgotten on request.',
    advice: 'Nothing: the row goes too.',
    final: true,
  },
  stopped: {
    meaning:
      'The daemon stopped, or gave the claim back, before the file was through. No attempt was counted.',
    advice: 'Nothing: it goes on by itself.',
  },
  // WhatsApp.
  token_rejected: {
    meaning: 'WhatsApp does not accept the access token, or it lacks a permission.',
    advice:
      'Create a new access token for the system user in Meta Business Settings (whatsapp_business_messaging), set WHATSAPP_ACCESS_TOKEN and restart (`pm2 reload ecosystem.config.cjs`).',
  },
  phone_number_unreadable: {
    meaning: 'The access token cannot read the phone number that received the messages.',
    advice: 'Give the system user access to that WhatsApp account in Meta Business Settings.',
  },
  account: {
    meaning: 'The WhatsApp account is restricted, locked or deleted.',
    advice: 'Open WhatsApp Manager: only the owner of the account can clear that.',
  },
  rate_limited: {
    meaning: "Meta's rate limit is reached.",
    advice: 'Nothing: the limit passes by itself. If it comes every day, lower CONCURRENCY.',
  },
  whatsapp_unavailable: {
    meaning: 'WhatsApp answered with an error of its own.',
    advice: `If it lasts, see https://metastatus.com. ${RETRY}`,
  },
  whatsapp_unreachable: {
    meaning: 'WhatsApp could not be reached, or hung up in the middle.',
    advice: 'Look at the network and DNS of this machine.',
  },
  whatsapp_timeout: {
    meaning: 'WhatsApp did not answer in time, or stopped sending.',
    advice: `If it lasts, look at the network of this machine. ${RETRY}`,
  },
  whatsapp_bad_answer: {
    meaning: 'WhatsApp answered with something that cannot be read.',
    advice: 'If it lasts, check WHATSAPP_GRAPH_URL and WHATSAPP_GRAPH_VERSION; the log has the answer.',
  },
  whatsapp_unknown: {
    meaning: 'WhatsApp answered with an error that mediaferry does not know.',
    advice: 'The log has the whole answer: please report it.',
  },
  // Storage.
  storage_size_limit: {
    meaning:
      'Storage refuses a file of this size: the free plan caps a file at 50 MB, WhatsApp sends up to 100 MB.',
    advice: `Raise the upload limit in the project's Storage settings (paid plans) or the bucket's own. ${RETRY}`,
  },
  storage_type_refused: {
    meaning: 'The bucket only allows certain types, and this is none of them.',
    advice: `Remove the MIME allow-list of the bucket. ${RETRY}`,
  },
  storage_key_refused: {
    meaning: 'Storage does not accept the key of the object.',
    advice: 'Please report it with the log line of this attachment.',
  },
  storage_key_taken: {
    meaning: 'Another object already had this key, and other bytes.',
    advice: `Let nothing else write to this bucket: the next try takes a new key. ${RETRY}`,
  },
  bucket_missing: {
    meaning: 'The bucket does not exist.',
    advice:
      'Create the private bucket that STORAGE_BUCKET names, or apply the migrations with `supabase db push --remote`.',
  },
  credentials: {
    meaning: 'Storage does not accept the key of the project.',
    advice: 'Set SUPABASE_SECRET_KEY to a valid secret key of this project and restart.',
  },
  permission: {
    meaning: 'A row-level security policy or a missing grant refuses the write.',
    advice: 'Use a secret key (service_role), and give service_role its rights on storage.objects back.',
  },
  quota: {
    meaning: 'The Storage quota of the project is used up.',
    advice: 'Free some space or raise the plan; everything waits and goes on by itself.',
  },
  storage_database: {
    meaning: "Storage's database had no connection free in time.",
    advice: `If it comes often, lower CONCURRENCY. ${RETRY}`,
  },
  storage_read_only: {
    meaning: "The project's database is read-only: its disk is full, most likely.",
    advice: 'Free or add disk space in the database settings of the project.',
  },
  storage_disk_full: {
    meaning: 'The disk behind Storage is full.',
    advice: 'Free or add disk space; everything waits and goes on by itself.',
  },
  storage_rate_limited: {
    meaning: 'Storage asks for fewer requests.',
    advice: 'Nothing: it passes by itself. If it comes often, lower CONCURRENCY.',
  },
  storage_locked: {
    meaning: 'Storage had the object locked.',
    advice: `See that nothing else writes to this bucket. ${RETRY}`,
  },
  storage_unavailable: {
    meaning: 'Storage answered with an error of its own.',
    advice: `If it lasts, see https://status.supabase.com. ${RETRY}`,
  },
  storage_unreachable: {
    meaning: 'Storage could not be reached, or hung up in the middle.',
    advice: 'Look at SUPABASE_URL, the network and DNS of this machine.',
  },
  storage_timeout: {
    meaning: 'Storage did not answer in time, or stopped taking bytes.',
    advice: `If it lasts, see https://status.supabase.com. ${RETRY}`,
  },
  storage_bad_answer: {
    meaning: 'Storage answered with something other than what was asked.',
    advice: 'If it lasts, check SUPABASE_URL; the log has the answer.',
  },
  storage_unknown: {
    meaning: 'Storage answered with an error that mediaferry does not know.',
    advice: 'The log has the whole answer: please report it.',
  },
}

/** Codes that come with a message in place of its file, as Meta numbers them; `unsupported` is the message's type. */
const BY_META_CODE: Readonly<Record<string, string>> = {
  131051: 'media_unsupported',
  131052: 'too_large',
  131060: 'media_unavailable',
  unsupported: 'media_unsupported',
}

const knownCode = (code: string): string =>
  Object.hasOwn(BY_META_CODE, code) ? (BY_META_CODE[code] ?? code) : code

/** A code as a person says it. */
export function titleOf(code: string): string {
  const words = knownCode(code).replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** Undefined for a code that mediaferry does not know: Meta's newest, say. */
export function reasonFor(code: string): Reason | undefined {
  const known = knownCode(code)
  return Object.hasOwn(REASONS, known) ? REASONS[known] : undefined
}
