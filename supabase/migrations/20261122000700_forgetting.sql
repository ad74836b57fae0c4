-- A person is forgotten: stopped at once, erased when no live transfer is left, and not brought back by a late
-- redelivery.

create function mediaferry.mentions(payload bytea, lead public.leads) returns boolean
language sql immutable set search_path = '' as $$
  -- A phone or user id of fewer bytes would be found in payloads of others.
  select coalesce(octet_length(lead.phone) >= 6 and (
      position(convert_to(lead.phone, 'UTF8') in payload) > 0
      -- A wamid has the phone in base64, beginning at a multiple of three bytes; the last digit may be cut in two.
      or position(
        convert_to(left(encode(convert_to(lead.phone, 'UTF8'), 'base64'), octet_length(lead.phone) * 4 / 3), 'UTF8')
        in payload
      ) > 0
    ), false)
    or coalesce(octet_length(lead.user_id) >= 6 and position(convert_to(lead.user_id, 'UTF8') in payload) > 0, false)
$$;
comment on function mediaferry.mentions(bytea, public.leads) is
  'Whether the bytes contain the lead''s phone or user id, also the phone inside of a message id.';

create function mediaferry.remember(marks bytea[]) returns void
language sql volatile set search_path = '' as $$
  insert into mediaferry.forgotten_messages (message_hash)
  select distinct sha256(k.key || m.mark) from unnest(marks) m (mark) cross join mediaferry.forget_key k
  where m.mark is not null
  on conflict do nothing
$$;
comment on function mediaferry.remember(bytea[]) is
  'Keeps the keyed hash of message ids and of rejected payloads, so that a redelivery of them is ignored.';

create function mediaferry.is_forgotten(mark bytea) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from mediaferry.forget_key k
    join mediaferry.forgotten_messages f on f.message_hash = sha256(k.key || is_forgotten.mark)
  )
$$;

-- What keeps the archive whole and small: fetching again what Storage has lost, forgetting a person to the end,
-- and letting go of what is old.

-- Whose request for erasure is under way stays stopped, whoever asks for a retry: no daemon may put anything back.
create function mediaferry.stay_forgotten() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select from public.leads l where l.id = old.lead_id and l.forget_after is not null) then
    return null;
  end if;
  return new;
end
$$;
create trigger attachments_stay_forgotten before update on public.attachments
  for each row when (
    old.upload_status in ('UPLOADED', 'FAILED') and new.upload_status in ('PENDING', 'UPLOADING')
  )
  execute function mediaferry.stay_forgotten();

create function public.forget_lead(lead_id bigint, phase text, max integer default 500) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
begin
  case forget_lead.phase
    when 'stop' then return mediaferry.stop_lead(forget_lead.lead_id);
    when 'erase' then return mediaferry.erase_lead(forget_lead.lead_id, mediaferry.page(forget_lead.max));
    else
      raise exception 'phase is stop or erase, not "%"', forget_lead.phase using errcode = 'invalid_parameter_value';
  end case;
end
$$;
comment on function public.forget_lead(bigint, text, integer) is
  'Removes a person, in phases that can be repeated. stop: open files are FAILED with their token raised, so that '
  'nobody can settle them; identity, captions, names and the rejects that mention the person go; answers {"found", '
  '"attachments", "wait_until"}. After wait_until no live claim is left: remove the objects. erase: rows, events and '
  'message ids, max attachments and max messages a call; answers {"erased", "left", "done"}, and refuses before '
  'wait_until, SQLSTATE 55000.';

create function mediaferry.stop_lead(lead_id bigint) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  lead public.leads;
  attachments bigint;
  live_until timestamptz;
  marks bytea[];
begin
  select l.* into lead from public.leads l where l.id = stop_lead.lead_id for update;
  if not found then
    return jsonb_build_object('found', false, 'attachments', 0, 'wait_until', null);
  end if;
  perform from public.attachments a where a.lead_id = lead.id order by a.id for no key update;
  select count(*), max(a.leased_until) into attachments, live_until from public.attachments a where a.lead_id = lead.id;

  update public.attachments a
  set
    caption = null, file_name = null,
    upload_status = case when a.upload_status in ('PENDING', 'UPLOADING') then 'FAILED' else a.upload_status end,
    claim_token = a.claim_token + (a.upload_status in ('PENDING', 'UPLOADING'))::integer,
    leased_by = null, leased_until = null,
    error_code = case when a.upload_status in ('PENDING', 'UPLOADING') then 'forgotten' else a.error_code end,
    updated_at = now()
  where a.lead_id = lead.id;

  with gone as (
    delete from public.rejected_payloads r where mediaferry.mentions(r.payload, lead)
    returning r.payload, r.message_id
  )
  select array_agg(g.payload) || array_agg(convert_to(g.message_id, 'UTF8')) into marks from gone g;
  perform mediaferry.remember(marks);

  -- Without an identity a new message of the same person makes a new lead, which this request does not concern.
  update public.leads l
  set
    user_id = null, phone = null, profile_name = null, updated_at = now(),
    forget_after = greatest(l.forget_after, live_until, now())
  where l.id = lead.id
  returning l.* into lead;
  return jsonb_build_object('found', true, 'attachments', attachments, 'wait_until', lead.forget_after);
end
$$;

create function mediaferry.erase_lead(lead_id bigint, page integer) returns jsonb
language plpgsql volatile set search_path = '' as $$
declare
  lead public.leads;
  erased bigint;
  attachments_left boolean;
  messages_left boolean;
begin
  select l.* into lead from public.leads l where l.id = erase_lead.lead_id for update;
  if not found then
    return jsonb_build_object('erased', 0, 'left', false, 'done', true);
  end if;
  if lead.forget_after is null or lead.forget_after > now() then
    raise exception 'lead % may still have live transfers: stop it first and wait until %',
      lead.id, coalesce(lead.forget_after::text, 'then')
      using errcode = 'object_not_in_prerequisite_state';
  end if;

  with gone as (
    delete from public.processed_messages p
    where p.message_id in (select m.message_id from public.processed_messages m where m.lead_id = lead.id limit page)
    returning p.message_id
  )
  insert into mediaferry.forgotten_messages (message_hash)
  select sha256(k.key || convert_to(g.message_id, 'UTF8')) from gone g cross join mediaferry.forget_key k
  on conflict do nothing;

  -- The message's own entry may have been pruned before; a redelivery of it must not bring it back either.
  with gone as (
    delete from public.attachments a
    where a.id in (select b.id from public.attachments b where b.lead_id = lead.id order by b.id limit page)
    returning a.message_id
  ),
  remembered as (
    insert into mediaferry.forgotten_messages (message_hash)
    select distinct sha256(k.key || convert_to(g.message_id, 'UTF8'))
    from gone g cross join mediaferry.forget_key k
    on conflict do nothing
  )
  select count(*) into erased from gone;

  attachments_left := exists (select from public.attachments a where a.lead_id = lead.id);
  messages_left := exists (select from public.processed_messages p where p.lead_id = lead.id);
  if not attachments_left and not messages_left then
    delete from public.leads l where l.id = lead.id;
  end if;
  return jsonb_build_object(
    'erased', erased, 'left', attachments_left or messages_left, 'done', not attachments_left and not messages_left
  );
end
$$;

create function public.lead_footprint(lead_id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select coalesce(
    (
      select jsonb_build_object(
        'found', true, 'phone', l.phone, 'user_id', l.user_id, 'profile_name', l.profile_name,
        'forgetting', l.forget_after is not null,
        'wait_ms', greatest(ceil(extract(epoch from l.forget_after - clock_timestamp()) * 1000), 0),
        'attachments', a.files, 'open', a.open, 'size_bytes', a.size_bytes,
        'messages', (select count(*) from public.processed_messages p where p.lead_id = l.id),
        'rejected', (select count(*) from public.rejected_payloads r where mediaferry.mentions(r.payload, l))
      )
      from public.leads l
      cross join lateral (
        select
          count(*) as files, count(*) filter (where f.upload_status in ('PENDING', 'UPLOADING')) as open,
          coalesce(sum(f.size_bytes), 0) as size_bytes
        from public.attachments f
        where f.lead_id = l.id
      ) a
      where l.id = lead_footprint.lead_id
    ),
    jsonb_build_object('found', false)
  )
$$;
comment on function public.lead_footprint(bigint) is
  'What forgetting a lead will remove: {"found", "phone", "user_id", "profile_name", "forgetting" (it has begun), '
  '"wait_ms" (until no live transfer is left; null before it has begun), "attachments", "open", "size_bytes", '
  '"messages", "rejected"}, or {"found": false}.';

revoke all on function
  mediaferry.mentions(bytea, public.leads),
  mediaferry.remember(bytea[]),
  mediaferry.is_forgotten(bytea),
  mediaferry.stay_forgotten(),
  public.forget_lead(bigint, text, integer),
  mediaferry.stop_lead(bigint),
  mediaferry.erase_lead(bigint, integer),
  public.lead_footprint(bigint)
from public, anon, authenticated;
grant execute on function
  mediaferry.mentions(bytea, public.leads),
  mediaferry.remember(bytea[]),
  mediaferry.is_forgotten(bytea),
  public.forget_lead(bigint, text, integer),
  mediaferry.stop_lead(bigint),
  mediaferry.erase_lead(bigint, integer),
  public.lead_footprint(bigint)
to service_role;
