import type pg from 'pg'

/** In one statement: a million rows are some hundred MB of WAL. */
const CHUNK = 1_000_000

/**
 * A table as it looks after a long time: 98 % UPLOADED, 1 % FAILED, 1 % open, spread over its whole length. A thousand
 * files an hour whatever the size, so that a larger table is an older one and the last hour the same. Nearly all that
 * is open is due, and two of it expire within a day; of the newest 500 open rows 150 wait after a failed try, for
 * minutes, and 100 are being worked on, by five workers of twenty lanes: a larger table has not more of either.
 */
export async function fillSettled(client: pg.Client, rows: number): Promise<void> {
  const leads = Math.max(50, Math.floor(rows / 20))
  await client.query(
    `insert into public.leads (user_id, phone, profile_name)
     select 'DE.' || n, '49170' || lpad(n::text, 8, '0'), 'Person ' || left(md5(n::text), 12)
     from generate_series(1, $1::int) n`,
    [leads],
  )
  await client.query(
    `insert into public.rejected_payloads (reason, message_id, payload)
     select 'no such type', 'wamid.rejected-' || n, convert_to(repeat(md5(n::text), 20), 'UTF8')
     from generate_series(1, $1::int / 1000) n`,
    [rows],
  )
  await withoutIndexes(client, async () => {
    for (let from = 1; from <= rows; from += CHUNK) {
      const range = [from, Math.min(rows, from + CHUNK - 1)]
      await client.query(ATTACHMENTS, [...range, rows, leads])
      await client.query(MESSAGES, range)
      await client.query(EVENTS, range)
    }
  })
  await client.query("select setval(pg_get_serial_sequence('public.attachments', 'id'), $1::bigint)", [rows])
}

/** Rows that wait and are due, all of them pictures that the fake Graph API knows. */
export async function fillPending(client: pg.Client, rows: number, sha256: string): Promise<void> {
  await withoutIndexes(client, () =>
    client.query(
      `insert into public.attachments
         (message_id, whatsapp_media_id, kind, declared_mime_type, declared_sha256, phone_number_id, sent_at,
          expires_at, object_prefix)
       select 'wamid.' || md5(n::text), '0_pending' || n, 'image', 'image/jpeg', $2, '1', now(),
         now() + interval '7 days', 'unassigned'
       from generate_series(1, $1::int) n`,
      [rows, sha256],
    ),
  )
}

/**
 * Without triggers and checks, and with the indexes built afterwards: a fifth of the time. What the triggers keep, the
 * counts, is counted at the end; statistics and visibility are those of a table that autovacuum has been through.
 */
async function withoutIndexes(client: pg.Client, work: () => Promise<unknown>): Promise<void> {
  const { rows } = await client.query<{ drop: string; create: string }>(REBUILT)
  await client.query("set session_replication_role = replica; set maintenance_work_mem = '512MB'")
  for (const { drop } of rows) await client.query(drop)
  await work()
  for (const { create } of rows) await client.query(create)
  await client.query(`
    delete from mediaferry.status_counts;
    insert into mediaferry.status_counts (upload_status, error_code, delta)
    select upload_status, case upload_status when 'FAILED' then error_code end, count(*)
    from public.attachments
    group by 1, 2;
    reset session_replication_role`)
  await client.query(`vacuum (analyze) public.attachments, public.processed_messages, public.system_events,
    public.leads, public.rejected_payloads, mediaferry.status_counts`)
}

/** Indexes and checks; not the keys that another table refers to. Checks come back for new rows alone. */
const REBUILT = `
  select
    format('alter table public.attachments drop constraint %I', c.conname) as drop,
    format('alter table public.attachments add constraint %I %s not valid', c.conname, pg_get_constraintdef(c.oid))
      as create
  from pg_constraint c
  where c.conrelid = 'public.attachments'::regclass and c.contype = 'c'
  union all
  select
    case
      when c.conname is null then format('drop index %s', i.indexrelid::regclass)
      else format('alter table %s drop constraint %I', i.indrelid::regclass, c.conname)
    end as drop,
    case
      when c.conname is null then pg_get_indexdef(i.indexrelid)
      else format('alter table %s add constraint %I %s', i.indrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
    end as create
  from pg_index i
  left join pg_constraint c on c.conindid = i.indexrelid and c.contype in ('p', 'u')
  where i.indrelid in (
      'public.attachments'::regclass, 'public.processed_messages'::regclass, 'public.system_events'::regclass
    )
    and not exists (select from pg_constraint f where f.conindid = i.indexrelid and f.contype = 'f')`

const ATTACHMENTS = `
  insert into public.attachments
    (id, lead_id, message_id, whatsapp_media_id, phone_number_id, kind, caption, file_name, declared_mime_type,
     declared_sha256, sent_at, expires_at, upload_status, upload_attempts, next_attempt_at, claim_token, leased_by,
     leased_until, object_prefix, object_key, content_type, size_bytes, sha256, verified, uploaded_at, error_code,
     error_message, created_at, updated_at)
  overriding system value
  select
    n, lead, 'wamid.HBgMNDkxNzA' || md5(n::text), (1000000000000000 + n)::text, '106540352242922', kind,
    case when n % 5 = 0 then 'A caption of a few words, number ' || n end,
    case when kind = 'document' then 'Invoice ' || n || '.pdf' end,
    type, sha256, sent_at, sent_at + interval '7 days', status::public.upload_status,
    (status <> 'PENDING' or waits)::int,
    case when waits then now() + interval '1 hour' + n * interval '1 microsecond' else sent_at end,
    (status <> 'PENDING' or waits)::int,
    case when status = 'UPLOADING' then 'bench-' || n / 10000 end,
    case when status = 'UPLOADING' then now() + interval '1 day' end,
    lead::text,
    case when status = 'UPLOADED' then lead || '/' || n || '-1.' || extension end,
    case when status = 'UPLOADED' then type end,
    case when status = 'UPLOADED' then 50000 + n % 350000 end,
    case when status = 'UPLOADED' then sha256 end,
    status = 'UPLOADED',
    case when status = 'UPLOADED' then received_at + interval '1 second' end,
    case when status = 'FAILED' or waits then (array['media_gone', 'integrity', 'too_large', 'no_media'])[1 + n / 100 % 4] end,
    case when status = 'FAILED' or waits then 'It did not arrive.' end,
    received_at, received_at
  from (
    select
      n, 1 + n % $4::int as lead, md5(n::text) || md5((n + 1)::text) as sha256,
      now() - ($3::bigint - n) * interval '3.6 seconds' as received_at,
      case
        when n % 100 = 50 then 'FAILED'
        when n % 100 <> 0 then 'UPLOADED'
        when n / 100 % 10 >= 8 and n > $3::bigint - 50000 then 'UPLOADING'
        else 'PENDING'
      end as status,
      n % 100 = 0 and n / 100 % 10 between 5 and 7 and n > $3::bigint - 50000 as waits,
      case
        when n % 100 = 0 and n / 100 % 10 < 5 and n > $3::bigint - 700 then now() - interval '6 days 12 hours'
        when n % 100 = 0 then now() - interval '1 hour' - n * interval '1 microsecond'
        else now() - ($3::bigint - n) * interval '3.6 seconds'
      end as sent_at
    from generate_series($1::bigint, $2::bigint) n
  ) a
  cross join lateral (
    select * from (values
      (0, 0, 'sticker', 'image/webp', 'webp'), (1, 3, 'video', 'video/mp4', 'mp4'),
      (4, 8, 'audio', 'audio/ogg', 'ogg'), (9, 10, 'document', 'application/pdf', 'pdf'),
      (11, 49, 'image', 'image/jpeg', 'jpg')
    ) k (first, last, kind, type, extension)
    where n / 3 % 50 between k.first and k.last
  ) k`

const MESSAGES = `
  insert into public.processed_messages (message_id, lead_id, processed_at)
  select a.message_id, a.lead_id, a.created_at from public.attachments a where a.id between $1 and $2 order by a.id`

/** What a settle writes: one event for a file that arrived at once. */
const EVENTS = `
  insert into public.system_events (attachment_id, worker, event, detail, created_at)
  select a.id, 'bench',
    case a.upload_status when 'UPLOADED' then 'uploaded' when 'FAILED' then 'failed' else 'retry' end,
    jsonb_strip_nulls(jsonb_build_object(
      'claim_token', 1, 'attempt', 1, 'max_attempts', 5, 'object_key', a.object_key, 'content_type', a.content_type,
      'size_bytes', a.size_bytes, 'sha256', a.sha256, 'verified', true, 'error_code', a.error_code
    )),
    a.created_at + interval '1 second'
  from public.attachments a
  where a.id between $1 and $2 and a.upload_attempts > 0
  order by a.id`
