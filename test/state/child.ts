/** A second process on the same state file. Prints one JSON line: what came of opening it; then holds it if told to. */
import { openStateFile } from '../../src/state/state-file.ts'

const [path = '', then] = process.argv.slice(2)
const warnings: string[] = []
try {
  const state = openStateFile(path, { project: 'https://a.test', warn: ({ code }) => warnings.push(code) })
  if (then === 'put') {
    const settlement = {
      outcome: 'uploaded',
      objectKey: '1/7-3.jpg',
      contentType: 'image/jpeg',
      sizeBytes: 3,
      sha256: 'a'.repeat(64),
      verified: true,
      notes: [],
    } as const
    state.outbox.put([{ id: 7, claimToken: 3, bucket: 'attachments', settlement }])
    state.cursor.save({ cluster: 'c', xid: '18446744073709551615', id: 7 })
  }
  console.log(JSON.stringify({ workerId: state.workerId, warnings }))
  // The timer keeps hold of the state: a database that nothing refers to is collected, and that closes it.
  if (then !== undefined) setInterval(() => state.cursor, 1000)
} catch (error) {
  const { name, message } = error instanceof Error ? error : { name: '?', message: String(error) }
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined
  console.log(JSON.stringify({ name, message, hint, warnings }))
}
