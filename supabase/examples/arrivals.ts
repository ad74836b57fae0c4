/**
 * An example of an application's own worker, beside `arrivals.sql`: it is woken by Realtime, works through the list
 * of what arrived, and looks every minute for what it was not told of. Needs SUPABASE_URL and SUPABASE_SECRET_KEY.
 */
import { createClient } from '@supabase/supabase-js'

const { SUPABASE_URL = '', SUPABASE_SECRET_KEY = '' } = process.env
const supabase = createClient(SUPABASE_URL, SUPABASE_SECRET_KEY, { auth: { persistSession: false } })

/** Your own work with one file. When it throws, the file stays in the list and comes again. */
async function deal(file: { id: number; bucket: string; object_key: string }): Promise<void> {
  const { data, error } = await supabase.storage.from(file.bucket).download(file.object_key)
  if (error !== null) throw error
  console.log(JSON.stringify({ arrived: file.id, bytes: data.size }))
}

async function workThroughList(): Promise<void> {
  for (let after = 0; ; ) {
    const { data, error } = await supabase
      .from('arrivals')
      .select('attachment_id, attachments(id, bucket, object_key)')
      .gt('attachment_id', after)
      .order('attachment_id')
      .limit(50)
    if (error !== null) throw error
    if (data.length === 0) return
    for (const { attachment_id, attachments } of data) {
      after = attachment_id
      const [file] = [attachments].flat()
      try {
        if (file !== undefined && file !== null) await deal(file)
        const { error: kept } = await supabase.from('arrivals').delete().eq('attachment_id', attachment_id)
        if (kept !== null) throw kept
      } catch (error) {
        // Those behind it are not kept waiting.
        console.error('will be tried again:', attachment_id, error)
      }
    }
  }
}

let running: Promise<void> = Promise.resolve()
/** One at a time; what fails is tried again with the next look. */
function look(): void {
  running = running.then(workThroughList).catch(error => console.error('could not look:', error))
}

supabase
  .channel('arrivals')
  .on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'arrivals' }, look)
  // The server listens from this message on, which comes after SUBSCRIBED: what arrived before is in the list.
  .on('system', {}, look)
  .subscribe()
setInterval(look, 60_000)
