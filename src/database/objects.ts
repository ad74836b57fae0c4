import type { Database } from './types.gen.ts'

export type Table = keyof Database['public']['Tables']

/** Not a list: the compiler then says which name a new migration has added. */
const tables: Readonly<Record<Table, true>> = {
  attachments: true,
  leads: true,
  pipeline_control: true,
  processed_messages: true,
  realtime_canary: true,
  rejected_payloads: true,
  system_events: true,
}

const functions: Readonly<Record<keyof Database['public']['Functions'], true>> = {
  attachment_story: true,
  attachments_after: true,
  beat_canary: true,
  claim_attachments: true,
  count_prunable: true,
  expiring_attachments: true,
  failure_counts: true,
  forget_lead: true,
  ingest_whatsapp_messages: true,
  lead_footprint: true,
  list_attachments: true,
  list_rejected: true,
  mediaferry_checkup: true,
  mediaferry_schema: true,
  pipeline_summary: true,
  prune_records: true,
  raise_alert: true,
  record_events: true,
  refetch_attachments: true,
  rejected_payload: true,
  release_claims: true,
  renew_leases: true,
  retry_attachments: true,
  retry_by_operator: true,
  set_pipeline_paused: true,
  settle_attachments: true,
  upload_activity: true,
}

/** The tables of ours in the schema `public`, which is the team's own and may hold others. */
export const TABLES: readonly Table[] = Object.keys(tables).filter(name => isTable(name))

function isTable(name: string): name is Table {
  return Object.hasOwn(tables, name)
}

/** The functions of ours there. */
export const FUNCTIONS: readonly string[] = Object.keys(functions)

/** Those that Realtime must announce. */
export const ANNOUNCED: readonly string[] = ['attachments', 'realtime_canary']
