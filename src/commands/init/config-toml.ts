/** What becomes of the team's supabase/config.toml. */
export interface ConfigPlan {
  /** What the file has to say; undefined: as it is. */
  readonly text?: string
  /** What only the team can decide. */
  readonly advice: readonly string[]
}

const FUNCTION = `[functions.whatsapp-webhook]
enabled = true
# Meta sends no Supabase token: the function checks the signature over the raw bytes itself.
verify_jwt = false
entrypoint = "./functions/whatsapp-webhook/index.ts"
`

const fresh = (projectId: string): string => `# The Supabase project for the supabase CLI.
project_id = "${projectId}"

[db]
major_version = 17

[storage]
enabled = true
# WhatsApp's own cap for inbound media; the bucket has the same limit.
file_size_limit = "100MiB"

${FUNCTION}`

/** The sections that mediaferry needs, added to what is there (undefined: no such file). Nothing is ever changed. */
export function planConfig(existing: string | undefined, folderName: string): ConfigPlan {
  if (existing === undefined) {
    return { text: fresh(folderName.replace(/[^A-Za-z0-9_-]+/g, '-') || 'mediaferry'), advice: [] }
  }
  const advice: string[] = []
  const limit = valueIn(sectionOf(existing, 'storage'), 'file_size_limit')
  if (limit !== undefined && mebibytes(limit) < 100) {
    advice.push(
      `supabase/config.toml: [storage] file_size_limit is ${limit}; WhatsApp sends up to "100MiB". Raise it for \`supabase start\`.`,
    )
  }
  const ours = sectionOf(existing, 'functions.whatsapp-webhook')
  if (ours === undefined) return { text: `${existing.trimEnd()}\n\n${FUNCTION}`, advice }
  if (valueIn(ours, 'verify_jwt') !== 'false') {
    advice.push(
      'supabase/config.toml: [functions.whatsapp-webhook] needs `verify_jwt = false`: Meta sends no Supabase token.',
    )
  }
  return { advice }
}

function sectionOf(toml: string, name: string): string | undefined {
  const lines = toml.split('\n')
  const start = lines.findIndex(line => line.replace(/[\s"']|#.*/g, '') === `[${name}]`)
  if (start === -1) return undefined
  const end = lines.findIndex((line, at) => at > start && /^\s*\[/.test(line))
  return lines.slice(start + 1, end === -1 ? undefined : end).join('\n')
}

const valueIn = (section: string | undefined, name: string): string | undefined =>
  section === undefined
    ? undefined
    : new RegExp(String.raw`^\s*${name}\s*=\s*("[^"]*"|[^\s#]+)`, 'm').exec(section)?.[1]

function mebibytes(text: string): number {
  const [, count = '0', unit = ''] = /^"?(\d+)\s*([KMG]?)i?B?"?$/i.exec(text) ?? []
  const factor = { K: 1 / 1024, M: 1, G: 1024 }[unit.toUpperCase()] ?? 1 / 2 ** 20
  return Number(count) * factor
}
