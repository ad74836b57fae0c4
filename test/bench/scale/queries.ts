/** What a question needs to know of the table that it is asked of. */
export interface Facts {
  readonly rows: number
  /** The newest rows that are due. */
  readonly due: readonly string[]
  /** Two claims, and whose they are. */
  readonly worker: string
  readonly claims: readonly { readonly id: number; readonly claim_token: number }[]
  readonly uploaded: string
  readonly lead: { readonly id: string; readonly phone: string; readonly name: string }
  /** The cursor of a daemon that has seen all, and of one that is 500 rows behind. */
  readonly last: Cursor
  readonly behind: Cursor
}

export interface Cursor {
  readonly xid: string
  readonly id: string
}

/** A call of a SQL function as the daemon, the dashboard or the webhook makes it. */
export interface Question {
  readonly name: string
  readonly text: string
  readonly values?: (facts: Facts) => readonly unknown[]
  /** Indexes one of which its plan must use. */
  readonly through?: readonly string[]
  /** It looks at a page, and it takes a table of so many rows for a full one: a smaller table is no measure for it. */
  readonly from?: number
}

const list = (name: string, args: string, more: Omit<Question, 'name' | 'text'> = {}): Question => ({
  name: `list: ${name}`,
  text: `select public.list_attachments(${args})`,
  ...more,
})

let serial = 0

/** One new message with a picture, of somebody who was never heard of. */
function delivery(): string {
  const n = `${process.pid}-${++serial}`
  return JSON.stringify([
    {
      message_id: `wamid.bench-${n}`,
      phone_number_id: '106540352242922',
      sent_at: new Date().toISOString(),
      contact: { user_id: `US.${n}`, phone: `1${process.pid}${serial}`, profile_name: 'Somebody' },
      media: { whatsapp_media_id: `bench-${n}`, kind: 'image', declared_mime_type: 'image/jpeg' },
      raw_base64: 'e30=',
    },
  ])
}

/** A list looks at 20,000 rows a call. */
const LIST_BOUND = 20_000
/** A name is looked for among the newest 200,000 leads, and each has sent twenty files. */
const LEADS_BOUND = 200_000 * 20
/** Of which one in a hundred is FAILED, and so on: enough for a page of 50. */
const FIFTY = {
  PENDING: 7000,
  UPLOADING: 25_000,
  FAILED: 5000,
  integrity: 20_000,
  sticker: 2600,
  rejected: 50_000,
}

export const QUESTIONS: readonly Question[] = [
  {
    name: 'webhook: one new message',
    text: "select public.ingest_whatsapp_messages($1::jsonb, '[]')",
    values: () => [delivery()],
  },
  {
    name: 'claim 4, all woken',
    text: "select public.claim_attachments('bench', $1::bigint[], 4, '60 seconds')",
    values: ({ due }) => [due],
    through: ['attachments_pkey'],
  },
  {
    name: 'sweep: claim 4, none woken',
    text: "select public.claim_attachments('bench', '{}', 4, '60 seconds')",
    through: ['attachments_pending_due'],
  },
  {
    name: 'renew 2 leases',
    text: "select public.renew_leases($1, $2::jsonb, '60 seconds')",
    values: ({ worker, claims }) => [worker, JSON.stringify(claims)],
    through: ['attachments_pkey', 'attachments_not_uploaded'],
  },
  {
    name: 'settle 2',
    text: 'select public.settle_attachments($1, $2::jsonb)',
    values: ({ worker, claims }) => [
      worker,
      JSON.stringify(claims.map(claim => ({ ...claim, outcome: 'retry', error_code: 'integrity' }))),
    ],
    through: ['attachments_pkey'],
  },
  {
    name: 'catch-up, nothing new',
    text: 'select public.attachments_after($1::xid8, $2::bigint)',
    values: ({ last }) => [last.xid, last.id],
    through: ['attachments_cursor'],
  },
  {
    name: 'catch-up, 500 rows',
    text: 'select public.attachments_after($1::xid8, $2::bigint)',
    values: ({ behind }) => [behind.xid, behind.id],
    through: ['attachments_cursor'],
  },
  { name: 'canary', text: "select public.beat_canary('bench', 'running', '{}', '0')" },
  { name: 'summary', text: 'select public.pipeline_summary()', through: ['attachments_pending_due'] },
  {
    name: 'expiring',
    text: 'select public.expiring_attachments()',
    through: ['attachments_pending_expiring'],
  },
  {
    name: 'alert',
    text: "select public.raise_alert('bench', '{}', '6 hours', 'bench')",
    through: ['system_events_alerts'],
  },
  list('all', '', { through: ['attachments_pkey'] }),
  list('PENDING', "status => 'PENDING'", { through: ['attachments_not_uploaded'], from: FIFTY.PENDING }),
  list('UPLOADING', "status => 'UPLOADING'", {
    through: ['attachments_not_uploaded'],
    from: FIFTY.UPLOADING,
  }),
  list('UPLOADED', "status => 'UPLOADED'", { through: ['attachments_pkey'] }),
  list('FAILED', "status => 'FAILED'", { through: ['attachments_not_uploaded'], from: FIFTY.FAILED }),
  list('images', "kind => 'image'", { through: ['attachments_pkey'] }),
  list('stickers (2 %)', "kind => 'sticker'", { through: ['attachments_pkey'], from: FIFTY.sticker }),
  list('error code', "code => 'integrity'", { through: ['attachments_error'], from: FIFTY.integrity }),
  list('lead', 'lead_id => $1::bigint', {
    values: ({ lead }) => [lead.id],
    through: ['attachments_lead'],
  }),
  list('phone number', 'sender => $1::text', {
    values: ({ lead }) => [`+${lead.phone}`],
    through: ['attachments_lead'],
  }),
  list('name', 'sender => $1::text', {
    values: ({ lead }) => [lead.name],
    through: ['attachments_lead'],
    from: LEADS_BOUND,
  }),
  list('name of nobody', "sender => 'nobody at all'", { from: LEADS_BOUND }),
  list('text, often', "containing => 'caption'", { through: ['attachments_pkey'] }),
  list('text, nowhere', "containing => 'no such text'", {
    through: ['attachments_pkey'],
    from: LIST_BOUND,
  }),
  {
    name: 'story',
    text: 'select public.attachment_story($1::bigint)',
    values: ({ uploaded }) => [uploaded],
    through: ['system_events_attachment'],
  },
  {
    name: 'activity',
    text: 'select public.upload_activity()',
    through: ['attachments_uploaded'],
  },
  // Counted by the triggers: not a row of attachments is read.
  { name: 'failures', text: 'select public.failure_counts()' },
  {
    name: 'rejected',
    text: 'select public.list_rejected()',
    through: ['rejected_payloads_pkey'],
    from: FIFTY.rejected,
  },
]
