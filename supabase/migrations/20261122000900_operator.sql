-- What the person who runs it asks for: the state of everything, pause, retry, forget.

create function public.pipeline_summary() returns jsonb
language sql stable security invoker set search_path = '' as $$
  -- Each count is an index-only scan of its status's own partial index.
  with due as (
    select a.next_attempt_at from public.attachments a
    where a.upload_status = 'PENDING' and a.next_attempt_at <= now()
    union all
    select a.next_attempt_at from public.attachments a
    where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
  )
  select jsonb_build_object(
    'counts', jsonb_build_object(
      'PENDING', (select count(*) from public.attachments where upload_status = 'PENDING'),
      'UPLOADING', (select count(*) from public.attachments where upload_status = 'UPLOADING'),
      'UPLOADED', (select count(*) from public.attachments where upload_status = 'UPLOADED'),
      'FAILED', (select count(*) from public.attachments where upload_status = 'FAILED')
    ),
    'due', (select count(*) from due),
    'oldest_due_at', (select min(d.next_attempt_at) from due d),
    'expiring_24h', (
      select count(*) from public.attachments a
      where a.upload_status in ('PENDING', 'UPLOADING')
        and a.expires_at > now() and a.expires_at <= now() + interval '24 hours'
    ),
    'rejected', (select count(*) from public.rejected_payloads),
    'paused', (
      select jsonb_build_object('changed_by', c.changed_by, 'reason', c.reason, 'changed_at', c.changed_at)
      from public.pipeline_control c
      where c.paused
    ),
    'daemons', coalesce(
      (select jsonb_agg(to_jsonb(c) order by c.worker) from public.realtime_canary c), '[]'
    )
  )
$$;
comment on function public.pipeline_summary() is
  'The state of everything: {"counts": {PENDING, UPLOADING, UPLOADED, FAILED}, "due", "oldest_due_at", '
  '"expiring_24h" (open rows that Meta deletes within a day), "rejected", "paused": null or {changed_by, reason, '
  'changed_at}, "daemons": [{worker, beat, state, circuits, version, last_seen}]}.';

create function public.set_pipeline_paused(
  paused boolean, changed_by text default null, reason text default null
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  control public.pipeline_control;
begin
  update public.pipeline_control c
  set
    paused = set_pipeline_paused.paused, changed_by = set_pipeline_paused.changed_by,
    reason = set_pipeline_paused.reason, changed_at = now()
  where c.singleton
  returning c.* into strict control;
  insert into public.system_events (event, detail)
  values (
    case when control.paused then 'paused' else 'resumed' end,
    jsonb_build_object('changed_by', control.changed_by, 'reason', control.reason)
  );
  perform mediaferry.wake_daemons();
  return to_jsonb(control) - 'singleton';
end
$$;
comment on function public.set_pipeline_paused(boolean, text, text) is
  'Stops or resumes the giving of claims for every daemon; what is under way is finished. Answers {"paused", '
  '"changed_by", "reason", "changed_at"}.';

create function public.retry_attachments(
  ids bigint[] default null, code text default null, max integer default 500
) returns jsonb
language plpgsql volatile security invoker set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  retried jsonb;
begin
  with before as materialized (
    select a.id, a.upload_attempts, a.lost_leases, a.error_code
    from public.attachments a
    where a.upload_status = 'FAILED'
      and (retry_attachments.ids is null or a.id = any (retry_attachments.ids))
      and (retry_attachments.code is null or a.error_code = retry_attachments.code)
      -- Without a media id there is nothing to ask for.
      and a.whatsapp_media_id is not null
    order by a.error_code, a.id
    limit mediaferry.page(retry_attachments.max)
    for no key update
  ),
  again as (
    update public.attachments a
    set
      upload_status = 'PENDING', upload_attempts = 0, lost_leases = 0, next_attempt_at = now(),
      error_code = null, error_message = null, updated_at = now()
    from before
    where a.id = before.id
    returning a.id
  ),
  told as (
    insert into public.system_events (attachment_id, event, detail)
    select b.id, 'retried', jsonb_build_object(
      'upload_attempts', b.upload_attempts, 'lost_leases', b.lost_leases, 'error_code', b.error_code
    )
    from before b
    order by b.id
  )
  select coalesce(jsonb_agg(a.id order by a.id), '[]') into retried from again a;
  if retried <> '[]' then
    perform mediaferry.wake_daemons();
  end if;
  return jsonb_build_object('retried', retried);
end
$$;
comment on function public.retry_attachments(bigint[], text, integer) is
  'FAILED rows, by ids and by error code (null: any), at most 500, become due with attempts and lost leases at zero '
  'and the token kept; the old counts go into system_events, and daemons wake. Answers {"retried": [ids]}.';

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

  -- A phone or user id of fewer bytes would be found in payloads of others.
  delete from public.rejected_payloads r
  where octet_length(lead.phone) >= 6 and position(convert_to(lead.phone, 'UTF8') in r.payload) > 0
    or octet_length(lead.user_id) >= 6 and position(convert_to(lead.user_id, 'UTF8') in r.payload) > 0;

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

revoke all on function
  public.pipeline_summary(), public.set_pipeline_paused(boolean, text, text),
  public.retry_attachments(bigint[], text, integer), public.forget_lead(bigint, text, integer),
  mediaferry.stop_lead(bigint), mediaferry.erase_lead(bigint, integer)
from public, anon, authenticated;
grant execute on function
  public.pipeline_summary(), public.set_pipeline_paused(boolean, text, text),
  public.retry_attachments(bigint[], text, integer), public.forget_lead(bigint, text, integer),
  mediaferry.stop_lead(bigint), mediaferry.erase_lead(bigint, integer)
to service_role;
