-- What keeps the archive whole and small: fetching again what Storage has lost, and letting go of what is old.

create function public.refetch_attachments(objects jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  answer jsonb;
begin
  perform mediaferry.check_list(refetch_attachments.objects, 'objects');
  with given as materialized (
    select distinct on (g.id) g.id, g.object_key, g.problem
    from jsonb_to_recordset(refetch_attachments.objects) g (id bigint, object_key text, problem text)
    order by g.id
  ),
  before as materialized (
    select a.id, a.object_key, a.size_bytes, a.sha256, a.expires_at > now() as is_at_meta, g.problem
    from public.attachments a
    -- The very object that was looked at: the row may have another one by now.
    join given g on g.id = a.id and g.object_key = a.object_key
    where a.upload_status = 'UPLOADED'
    order by a.id
    for no key update of a
  ),
  again as (
    update public.attachments a
    set
      upload_status = 'PENDING', upload_attempts = 0, lost_leases = 0, next_attempt_at = now(),
      object_key = null, content_type = null, size_bytes = null, sha256 = null, verified = false,
      uploaded_at = null, updated_at = now()
    from before b
    where a.id = b.id and b.is_at_meta
    returning a.id
  ),
  told as (
    insert into public.system_events (attachment_id, event, detail)
    select b.id, e.event, jsonb_strip_nulls(jsonb_build_object(
      'problem', b.problem, 'object_key', b.object_key, 'size_bytes', b.size_bytes, 'sha256', b.sha256
    ))
    from before b
    cross join lateral (select case when b.is_at_meta then 'refetch' else 'object_lost' end as event) e
    where b.id in (select g.id from again g)
      or not b.is_at_meta and not exists (
        select from public.system_events s where s.attachment_id = b.id and s.event = 'object_lost'
      )
    order by b.id
  )
  select jsonb_build_object(
    'refetched', coalesce((select jsonb_agg(g.id order by g.id) from again g), '[]'),
    'lost', coalesce((select jsonb_agg(b.id order by b.id) from before b where not b.is_at_meta), '[]')
  )
  into answer;
  if answer -> 'refetched' <> '[]' then
    perform mediaferry.wake_daemons();
  end if;
  return answer;
end
$$;
comment on function public.refetch_attachments(jsonb) is
  'UPLOADED rows [{id, object_key, problem}] (at most 500) whose object is missing or wrong become due again, with '
  'attempts and lost leases at zero and the token kept, and daemons wake; past expires_at nobody has the file any '
  'more, and the row is left as it is. Rows that name another object by now are passed over. Answers {"refetched": '
  '[ids], "lost": [ids]}; the story says refetch or, once, object_lost.';

create function public.rejected_payload(id bigint) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object('payload', (
    select jsonb_build_object(
      'id', r.id, 'reason', r.reason, 'phone_number_id', r.phone_number_id,
      'base64', replace(encode(r.payload, 'base64'), E'\n', '')
    )
    from public.rejected_payloads r
    where r.id = rejected_payload.id
  ))
$$;
comment on function public.rejected_payload(bigint) is
  'One rejected payload with its bytes: {"payload": {id, reason, phone_number_id, base64}}, null when there is none.';

create function mediaferry.check_age(what text, older_than interval) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if what not in ('events', 'processed', 'rejected') then
    raise exception 'what is events, processed or rejected, not "%"', what using errcode = 'invalid_parameter_value';
  end if;
  -- Meta delivers a webhook again for up to 7 days (Meta, "Webhooks: Delivery"): an id that is forgotten before would
  -- make the message a new one.
  if older_than is null or older_than < interval '1 day' or what = 'processed' and older_than <= interval '7 days' then
    raise exception '% cannot be kept for only %', what, older_than using errcode = 'invalid_parameter_value';
  end if;
end
$$;
comment on function mediaferry.check_age(text, interval) is
  'Refuses to prune events and rejects of the last day, and message ids that Meta may still deliver again.';

create function mediaferry.old_events(older_than interval, page integer) returns setof bigint
language sql stable set search_path = '' as $$
  select e.id from public.system_events e
  where e.created_at < now() - old_events.older_than
    -- The story of a file that is still on its way stays whole.
    and not exists (
      select from public.attachments a
      where a.id = e.attachment_id and a.upload_status in ('PENDING', 'UPLOADING')
    )
  order by e.created_at
  limit old_events.page
$$;

create function public.count_prunable(what text, older_than interval) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  -- Nobody needs to know more than that, and a call may take 8 s.
  most constant integer := 1000000;
  found bigint;
begin
  perform mediaferry.check_age(count_prunable.what, count_prunable.older_than);
  case count_prunable.what
    when 'events' then
      select count(*) into found from mediaferry.old_events(count_prunable.older_than, most);
    when 'processed' then
      select count(*) into found from (
        select from public.processed_messages p where p.processed_at < now() - count_prunable.older_than
        union all
        select from mediaferry.forgotten_messages f where f.forgotten_at < now() - count_prunable.older_than
        limit most
      ) old;
    else
      select count(*) into found from (
        select from public.rejected_payloads r where r.last_seen_at < now() - count_prunable.older_than limit most
      ) old;
  end case;
  return jsonb_build_object('count', found);
end
$$;
comment on function public.count_prunable(text, interval) is
  'How many prune_records() would remove in all: {"count"}; 1000000 stands for that many or more.';

create function public.prune_records(what text, older_than interval, max integer default 500) returns jsonb
language plpgsql volatile security invoker set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  page constant integer := mediaferry.page(prune_records.max);
  removed integer;
  hashes integer := 0;
begin
  perform mediaferry.check_age(prune_records.what, prune_records.older_than);
  case prune_records.what
    when 'events' then
      delete from public.system_events s
      where s.id in (select o.id from mediaferry.old_events(prune_records.older_than, page) o (id));
      get diagnostics removed = row_count;
    when 'processed' then
      delete from public.processed_messages d
      where d.message_id in (
        select p.message_id from public.processed_messages p
        where p.processed_at < now() - prune_records.older_than
        order by p.processed_at
        limit page
      );
      get diagnostics removed = row_count;
      delete from mediaferry.forgotten_messages d
      where d.message_hash in (
        select f.message_hash from mediaferry.forgotten_messages f
        where f.forgotten_at < now() - prune_records.older_than
        order by f.forgotten_at
        limit page - removed
      );
      get diagnostics hashes = row_count;
    else
      delete from public.rejected_payloads d
      where d.id in (
        select r.id from public.rejected_payloads r
        where r.last_seen_at < now() - prune_records.older_than
        order by r.last_seen_at
        limit page
      );
      get diagnostics removed = row_count;
  end case;
  return jsonb_build_object('removed', removed + hashes);
end
$$;
comment on function public.prune_records(text, interval, integer) is
  'Removes what is older, at most max (500) a call, oldest first: events (not those of files that are still open), '
  'processed (message ids, and the hashes of forgotten ones; kept for more than 7 days) or rejected (payloads not '
  'seen since). Never an attachment. Answers {"removed"}: 0 when there is nothing left.';

revoke all on function
  public.refetch_attachments(jsonb),
  public.rejected_payload(bigint),
  mediaferry.check_age(text, interval),
  mediaferry.old_events(interval, integer),
  public.count_prunable(text, interval),
  public.prune_records(text, interval, integer)
from public, anon, authenticated;
grant execute on function
  public.refetch_attachments(jsonb),
  public.rejected_payload(bigint),
  mediaferry.check_age(text, interval),
  mediaferry.old_events(interval, integer),
  public.count_prunable(text, interval),
  public.prune_records(text, interval, integer)
to service_role;
