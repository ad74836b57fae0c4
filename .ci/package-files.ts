/** What npm downloads of ours; the installed files are about twice that. */
const LARGEST = 1_000_000

const NEEDED = [
  'dist/src/cli.js',
  'dist/src/ops/dashboard/index.html',
  'dist/src/ops/dashboard/main.js',
  'dist/src/local/samples/photo.jpg',
  'supabase/config.toml',
  'supabase/migrations/20261122000100_tables.sql',
  'supabase/functions/whatsapp-webhook/index.ts',
  'supabase/functions/whatsapp-webhook/deno.json',
  'ecosystem.config.cjs',
  '.env.example',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
]

/** Compiled code, and TypeScript only where Deno reads it; no tests, nothing of a machine's own. */
const ALLOWED =
  /^(?:dist\/(?:src|machines|supabase)\/.+\.(?!ts$)\w+|supabase\/(?:config\.toml|seed\.sql|migrations\/\w+\.sql|functions\/whatsapp-webhook\/[\w.-]+\.(?:ts|json))|ecosystem\.config\.cjs|\.env\.example|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/

/** What is wrong with a package of that many bytes and those files, a sentence each. */
export function faultsIn({
  size,
  paths,
}: {
  readonly size: number
  readonly paths: readonly string[]
}): string[] {
  return [
    ...(size > LARGEST ? [`${size} bytes are more than ${LARGEST}`] : []),
    ...NEEDED.filter(path => !paths.includes(path)).map(path => `${path} is missing`),
    ...paths.filter(path => !ALLOWED.test(path)).map(path => `${path} does not belong in it`),
  ]
}
