-- Webhook deliveries come in: one call, one transaction.
--
-- Locks are always taken in one order, so that overlapping deliveries wait for each other and never deadlock:
-- identities by bucket, lead rows by id, attachments of leads to be merged by id, message ids, rejects by hash.

create function mediaferry.bytes_of(base64 text, otherwise text) returns bytea
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(decode(base64, 'base64'), convert_to(otherwise, 'UTF8'), '');
exception when data_exception then
  return convert_to(coalesce(base64, otherwise, ''), 'UTF8');
end
$$;
comment on function mediaferry.bytes_of(text, text) is
  'The bytes behind base64; what is not base64 is kept as the text it is, because a reject must not be refused.';

create function mediaferry.ingest_all(messages jsonb[]) returns jsonb[]
language plpgsql volatile set search_path = '' as $$
declare
  message jsonb;
  wamid text;
  place integer := 0;
  fresh boolean[] := '{}';
  leads bigint[] := '{}';
  stored bigint[];
begin
  foreach message in array messages loop
    place := place + 1;
    fresh[place] := false;
    leads[place] := null;
    wamid := nullif(message ->> 'message_id', '');
    if exists (select from public.processed_messages p where p.message_id = wamid)
      or exists (
        select from mediaferry.forget_key k
        join mediaferry.forgotten_messages f on f.message_hash = sha256(k.key || convert_to(wamid, 'UTF8'))
      )
    then
      continue;
    end if;
    leads[place] := mediaferry.resolve_lead(
      message -> 'contact', coalesce((message ->> 'sent_at')::timestamptz, now())
    );
    insert into public.processed_messages (message_id, lead_id) values (wamid, leads[place])
    on conflict (message_id) do nothing;
    -- Not found: another delivery of it, without an identity to wait for, has committed since.
    fresh[place] := found;
  end loop;

  -- In one statement: preparing the check constraints costs 0.2 ms a statement and next to nothing a row.
  with media as (
    select m.place, m.message, m.message -> 'media' as media, m.lead,
      nullif(m.message #>> '{media,whatsapp_media_id}', '') as media_id,
      coalesce((m.message ->> 'sent_at')::timestamptz, now()) as sent_at
    from unnest(messages, fresh, leads) with ordinality m (message, fresh, lead, place)
    where m.fresh and jsonb_typeof(m.message -> 'media') <> 'null'
  ),
  judged as (
    select m.*, coalesce(
      nullif(m.media ->> 'error_code', ''), case when m.media_id is null then 'media_id_missing' end
    ) as fault
    from media m
  ),
  inserted as (
    insert into public.attachments (
      lead_id, message_id, whatsapp_media_id, phone_number_id, kind, caption, file_name, voice, animated,
      declared_mime_type, declared_sha256, sent_at, expires_at, upload_status, max_attempts, bucket,
      object_prefix, error_code, error_message
    )
    select
      j.lead, j.message ->> 'message_id', j.media_id, j.message ->> 'phone_number_id', j.media ->> 'kind',
      j.media ->> 'caption', j.media ->> 'file_name',
      (j.media ->> 'voice')::boolean, (j.media ->> 'animated')::boolean,
      nullif(j.media ->> 'declared_mime_type', ''), lower(nullif(j.media ->> 'declared_sha256', '')),
      j.sent_at, j.sent_at + interval '7 days',
      case when j.fault is null then 'PENDING' else 'FAILED' end::public.upload_status,
      coalesce((j.message ->> 'max_attempts')::integer, 5),
      coalesce(nullif(j.message ->> 'bucket', ''), 'attachments'), coalesce(j.lead::text, 'unassigned'),
      j.fault, case when j.fault is not null then left(j.media ->> 'error_message', 500) end
    from judged j
    order by j.place
    -- There already: its entry in processed_messages was pruned.
    on conflict on constraint attachments_once do nothing
    returning id, kind, upload_status, error_code, error_message
  ),
  told as (
    insert into public.system_events (attachment_id, event, detail)
    select
      i.id, case i.upload_status when 'FAILED' then 'failed' else 'received' end,
      jsonb_strip_nulls(jsonb_build_object(
        'kind', i.kind, 'error_code', i.error_code, 'error_message', i.error_message
      ))
    from inserted i
    order by i.id
  )
  select coalesce(array_agg(i.id), '{}') into stored from inserted i;

  return array(
    select jsonb_build_object(
      'message_id', m.message ->> 'message_id',
      'outcome', case
        when m.fresh and (a.id = any (stored) or coalesce(jsonb_typeof(m.message -> 'media'), 'null') = 'null')
          then 'new'
        else 'duplicate'
      end,
      'attachment_id', a.id
    )
    from unnest(messages, fresh) with ordinality m (message, fresh, place)
    -- Not "order by id limit 1": that tempts the planner to walk the primary key.
    cross join lateral (
      select (array_agg(b.id))[1] as id from public.attachments b where b.message_id = m.message ->> 'message_id'
    ) a
    order by m.place
  );
end
$$;
comment on function mediaferry.ingest_all(jsonb[]) is
  'Takes in messages that are sorted by message id, all of them or none. One answer for each.';

create function mediaferry.ingest_each(messages jsonb[]) returns jsonb[]
language plpgsql volatile set search_path = '' as $$
declare
  count constant integer := cardinality(messages);
  fault text;
begin
  return mediaferry.ingest_all(messages);
-- Class 22 and 23: a message that can never go in, found by halving. Anything else is the database's trouble and not
-- caught: the whole delivery comes again.
exception when data_exception or integrity_constraint_violation then
  if count > 1 then
    return mediaferry.ingest_each(messages[:count / 2]) || mediaferry.ingest_each(messages[count / 2 + 1:]);
  end if;
  get stacked diagnostics fault = message_text;
  return array[
    jsonb_build_object(
      'message_id', messages[1] ->> 'message_id', 'outcome', 'rejected', 'attachment_id', null,
      'reason', sqlstate || ': ' || fault
    )
  ];
end
$$;
comment on function mediaferry.ingest_each(jsonb[]) is
  'Takes in what can be taken in; the rest is answered as rejected, with the reason, and leaves no trace.';

create function mediaferry.keep_rejects(rejects jsonb) returns void
language sql volatile set search_path = '' as $$
  insert into public.rejected_payloads (reason, message_id, phone_number_id, payload)
  select distinct on (sha256(b.payload))
    left(coalesce(r.reason, 'no reason given'), 500), r.message_id, r.phone_number_id, b.payload
  from jsonb_to_recordset(rejects) r (reason text, message_id text, phone_number_id text, payload_base64 text)
  cross join lateral (select mediaferry.bytes_of(r.payload_base64, '') as payload) b
  where not mediaferry.is_forgotten(b.payload)
    and not coalesce(mediaferry.is_forgotten(convert_to(r.message_id, 'UTF8')), false)
  order by sha256(b.payload)
  on conflict (payload_sha256) do update
  set times = rejected_payloads.times + 1, last_seen_at = now(), reason = excluded.reason
$$;

create function public.ingest_whatsapp_messages(messages jsonb, rejected jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  batch constant jsonb := coalesce(nullif(messages, 'null'), '[]');
  rejects jsonb := coalesce(nullif(rejected, 'null'), '[]');
  sorted jsonb[];
  places bigint[];
  answers jsonb[];
begin
  if jsonb_typeof(batch) <> 'array' or jsonb_typeof(rejects) <> 'array' then
    raise exception 'messages and rejected must be arrays' using errcode = 'invalid_parameter_value';
  end if;
  perform mediaferry.lock_identities(batch);
  select
    coalesce(array_agg(m.value order by m.value ->> 'message_id' collate "C", m.ordinality), '{}'),
    coalesce(array_agg(m.ordinality order by m.value ->> 'message_id' collate "C", m.ordinality), '{}')
  into sorted, places
  from jsonb_array_elements(batch) with ordinality m;
  answers := mediaferry.ingest_each(sorted);

  select rejects || coalesce(
    jsonb_agg(
      jsonb_build_object(
        'reason', a.answer ->> 'reason',
        'message_id', m.message ->> 'message_id',
        'phone_number_id', m.message ->> 'phone_number_id',
        'payload_base64', coalesce(
          m.message ->> 'raw_base64', encode(convert_to(m.message::text, 'UTF8'), 'base64')
        )
      )
    ),
    '[]'
  )
  into rejects
  from unnest(answers) with ordinality a (answer, place)
  join unnest(sorted) with ordinality m (message, place) on m.place = a.place
  where a.answer ->> 'outcome' = 'rejected';
  perform mediaferry.keep_rejects(rejects);

  return jsonb_build_object(
    'messages', coalesce(
      (
        select jsonb_agg(a.answer - 'reason' order by a.place) from unnest(answers, places) a (answer, place)
      ),
      '[]'
    )
  );
end
$$;
comment on function public.ingest_whatsapp_messages(jsonb, jsonb) is
  'Takes in one webhook delivery in one transaction. messages: [{message_id, phone_number_id, sent_at, bucket?, '
  'max_attempts?, contact: {user_id, phone, profile_name}, media: {whatsapp_media_id, kind, caption, file_name, '
  'voice, animated, declared_mime_type, declared_sha256, error_code, error_message}, raw_base64}]; rejected: '
  '[{reason, message_id, phone_number_id, payload_base64}]. Answers {"messages": [{message_id, outcome: new | '
  'duplicate | rejected, attachment_id}]} in the order given. A message that fails with SQLSTATE class 22 or 23 '
  'becomes a reject and is not marked processed; anything else aborts the whole.';

revoke all on function
  mediaferry.bytes_of(text, text),
  mediaferry.ingest_all(jsonb[]),
  mediaferry.ingest_each(jsonb[]),
  mediaferry.keep_rejects(jsonb),
  public.ingest_whatsapp_messages(jsonb, jsonb)
from public, anon, authenticated;
grant execute on function
  mediaferry.bytes_of(text, text),
  mediaferry.ingest_all(jsonb[]),
  mediaferry.ingest_each(jsonb[]),
  mediaferry.keep_rejects(jsonb),
  public.ingest_whatsapp_messages(jsonb, jsonb)
to service_role;
