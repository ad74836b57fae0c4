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

create function mediaferry.lock_identities(messages jsonb) returns void
language plpgsql volatile set search_path = '' as $$
declare
  -- An arbitrary class of advisory locks, ours alone.
  lock_class constant integer := 1835361638;
  users text[];
  phones text[];
  shared_phones text[];
  bucket integer;
begin
  select
    array_agg(distinct c.user_id) filter (where c.user_id <> ''),
    array_agg(distinct c.phone) filter (where c.phone <> ''),
    array_agg(distinct c.phone) filter (where c.phone <> '' and c.user_id <> '')
  into users, phones, shared_phones
  from jsonb_array_elements(messages) m (value)
  cross join lateral (
    select m.value #>> '{contact,user_id}' as user_id, m.value #>> '{contact,phone}' as phone
  ) c;

  -- Row locks cannot keep two deliveries from inserting the same new lead under two unique columns in opposite
  -- order. 256 buckets bound what one transaction takes from the server's lock table (6,400 entries by default).
  for bucket in
    select distinct hashtext(identity) & 255 from unnest(users || phones) identity order by 1
  loop
    perform pg_advisory_xact_lock(lock_class, bucket);
  end loop;

  perform from public.leads l where l.user_id = any (users) or l.phone = any (phones) order by l.id for update;

  -- A phone-only lead whose phone now comes with a user id may be merged below: its attachments are re-pointed.
  perform from public.attachments a
  where a.lead_id in (select l.id from public.leads l where l.user_id is null and l.phone = any (shared_phones))
  order by a.id
  for no key update;
end
$$;

create function mediaferry.merge_leads(source bigint, target bigint) returns void
language plpgsql volatile set search_path = '' as $$
declare
  moved integer;
begin
  update public.attachments set lead_id = target, updated_at = now() where lead_id = source;
  get diagnostics moved = row_count;
  update public.processed_messages set lead_id = target where lead_id = source;
  delete from public.leads where id = source;
  insert into public.system_events (event, detail)
  values ('leads_merged', jsonb_build_object('lead_id', target, 'merged_lead_id', source, 'attachments', moved));
end
$$;
comment on function mediaferry.merge_leads(bigint, bigint) is
  'Two rows turned out to be one person: attachments are re-pointed first, then the source row goes.';

create function mediaferry.resolve_lead(contact jsonb, seen_at timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
  given_user constant text := nullif(contact ->> 'user_id', '');
  given_phone constant text := nullif(contact ->> 'phone', '');
  given_name constant text := nullif(contact ->> 'profile_name', '');
  by_user public.leads;
  by_phone public.leads;
  lead public.leads;
begin
  if given_user is null and given_phone is null then
    return null;
  end if;
  select l.* into by_user from public.leads l where l.user_id = given_user;
  select l.* into by_phone from public.leads l where l.phone = given_phone;

  if by_user.id is not null then
    lead := by_user;
  elsif by_phone.id is not null and (given_user is null or by_phone.user_id is null) then
    lead := by_phone;
  else
    insert into public.leads (user_id, phone, profile_name, phone_seen_at)
    values (given_user, case when by_phone.id is null then given_phone end, given_name, seen_at)
    returning * into lead;
  end if;

  if given_phone is distinct from lead.phone and given_phone is not null then
    if by_phone.id is not null and by_phone.user_id is null then
      perform mediaferry.merge_leads(by_phone.id, lead.id);
      by_phone := null;
    end if;
    -- An old message that arrives late does not undo what a newer one showed.
    if (by_phone.id is null or seen_at >= by_phone.phone_seen_at)
      and (lead.phone is null or seen_at >= lead.phone_seen_at)
    then
      if by_phone.id is not null then
        update public.leads set phone = null, updated_at = now() where id = by_phone.id;
        insert into public.system_events (event, detail)
        values ('phone_changed_hands', jsonb_build_object('lead_id', lead.id, 'former_lead_id', by_phone.id));
      end if;
      update public.leads set phone = given_phone, phone_seen_at = seen_at, updated_at = now() where id = lead.id;
    end if;
  end if;

  -- Nothing is written for somebody who is known already: 1,000 messages of one person are one row version.
  update public.leads l
  set
    user_id = coalesce(l.user_id, given_user),
    profile_name = coalesce(given_name, l.profile_name),
    phone_seen_at = case when l.phone = given_phone then greatest(l.phone_seen_at, seen_at) else l.phone_seen_at end,
    updated_at = now()
  where l.id = lead.id
    and (
      l.user_id is null and given_user is not null
      or given_name is distinct from l.profile_name and given_name is not null
      or l.phone = given_phone and seen_at > l.phone_seen_at + interval '1 hour'
    );
  return lead.id;
end
$$;
comment on function mediaferry.resolve_lead(jsonb, timestamptz) is
  'The lead behind a contact, made, completed or merged as needed; null when it names nobody. A user id decides '
  'first; two different user ids are never merged, the phone moves to the one who wrote last.';

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
  mediaferry.bytes_of(text, text), mediaferry.lock_identities(jsonb), mediaferry.merge_leads(bigint, bigint),
  mediaferry.resolve_lead(jsonb, timestamptz), mediaferry.ingest_all(jsonb[]), mediaferry.ingest_each(jsonb[]), mediaferry.keep_rejects(jsonb),
  public.ingest_whatsapp_messages(jsonb, jsonb)
from public, anon, authenticated;
grant execute on function
  mediaferry.bytes_of(text, text), mediaferry.lock_identities(jsonb), mediaferry.merge_leads(bigint, bigint),
  mediaferry.resolve_lead(jsonb, timestamptz), mediaferry.ingest_all(jsonb[]), mediaferry.ingest_each(jsonb[]), mediaferry.keep_rejects(jsonb),
  public.ingest_whatsapp_messages(jsonb, jsonb)
to service_role;
