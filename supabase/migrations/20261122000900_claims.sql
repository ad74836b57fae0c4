-- Who works on what. A claim is (attachment id, claim token); the database's clock decides who may take it, and the
-- token decides who may still speak for it.
--
-- Attachments are locked in id order, or with skip locked: nothing here waits in a circle. The lock is FOR NO KEY
-- UPDATE, which an event being inserted about the row (a foreign key's KEY SHARE) does not disturb.

create function mediaferry.page(wanted integer) returns integer
language sql immutable set search_path = '' as $$
  select least(greatest(coalesce(wanted, 0), 0), 500)
$$;
comment on function mediaferry.page(integer) is 'How many rows one call may give: 0 to 500. Callers page.';

create function mediaferry.check_list(list jsonb, name text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if list is null or jsonb_typeof(list) <> 'array' or jsonb_array_length(list) > 500 then
    raise exception '% must be an array of at most 500', name using errcode = 'invalid_parameter_value';
  end if;
end
$$;
comment on function mediaferry.check_list(jsonb, text) is
  'Refuses, with class 22, a list that would be answered in part only: the caller splits it.';

create function mediaferry.check_worker(worker text, lease interval) returns void
language plpgsql immutable set search_path = '' as $$
begin
  if coalesce(worker, '') = '' or lease is null or lease <= interval '0' or lease > interval '1 day' then
    raise exception 'a claim needs a worker''s name and a lease of up to a day, not "%" and %', worker, lease
      using errcode = 'invalid_parameter_value';
  end if;
end
$$;

-- A plan for each call: with its limit known the planner walks the partial indexes in order, where a generic plan
-- assumes a tenth of the rows and may sort them all. Planning costs about 0.2 ms a statement.
create function public.claim_attachments(worker text, ids bigint[], max integer, lease interval) returns jsonb
language plpgsql volatile security invoker set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  wanted integer := mediaferry.page(claim_attachments.max);
  woken constant bigint[] := coalesce(claim_attachments.ids, '{}');
  urgent_until constant timestamptz := now() + interval '24 hours';
  suspect bigint;
  chosen bigint[] := '{}';
  lost_workers bigint[];
  claims jsonb;
begin
  perform mediaferry.check_worker(claim_attachments.worker, claim_attachments.lease);
  if exists (select from public.pipeline_control c where c.paused) then
    return jsonb_build_object('paused', true, 'claims', '[]'::jsonb, 'worker_lost', '[]'::jsonb);
  end if;
  if wanted = 0 then
    return jsonb_build_object('paused', false, 'claims', '[]'::jsonb, 'worker_lost', '[]'::jsonb);
  end if;
  lost_workers := mediaferry.fail_lost_workers();

  -- 1. A suspect whose pause is over, and nothing beside it. It goes before all others: with four lives left at most
  -- it cannot keep them waiting for long, and behind a backlog it would wait until Meta has deleted it.
  suspect := mediaferry.next_suspect();
  if suspect is not null then
    chosen := array[suspect];
    wanted := 1;
  end if;

  -- 2. Half for those just announced, newest first, so that a backlog does not delay what somebody waits for now.
  if cardinality(woken) > 0 and cardinality(chosen) < wanted then
    chosen := array(
      select a.id from public.attachments a
      where a.id = any (woken)
        and a.lost_leases + (a.leased_until is not null)::integer < 2
        and (
          a.upload_status = 'PENDING' and a.next_attempt_at <= now()
          or a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        )
      order by a.id desc
      limit (wanted + 1) / 2
      for no key update skip locked
    );
  end if;

  -- 3. Those that Meta deletes within a day: claims of dead workers, then waiting rows.
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.lost_leases + (a.leased_until is not null)::integer < 2
        and a.expires_at > now() and a.expires_at <= urgent_until and a.id <> all (chosen)
      order by a.expires_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'PENDING' and a.next_attempt_at <= now() and a.lost_leases < 2
        and a.expires_at > now() and a.expires_at <= urgent_until and a.id <> all (chosen)
      order by a.expires_at, a.next_attempt_at
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;

  -- 4. The rest. Claims of dead workers were due before anything that still waits.
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.lost_leases + (a.leased_until is not null)::integer < 2
        and a.id <> all (chosen)
      order by a.next_attempt_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'PENDING' and a.next_attempt_at <= now() and a.lost_leases < 2
        and a.id <> all (chosen)
      order by a.next_attempt_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;

  with before as materialized (
    select a.id, a.claim_token, a.leased_by, a.leased_until, a.lost_leases
    from public.attachments a
    where a.id = any (chosen) and a.upload_status = 'UPLOADING'
  ),
  taken as (
    update public.attachments a
    set
      upload_status = 'UPLOADING',
      claim_token = a.claim_token + 1,
      -- A released claim (no lease any more) was counted when it was released.
      lost_leases = a.lost_leases + (a.upload_status = 'UPLOADING' and a.leased_until is not null)::integer,
      leased_by = claim_attachments.worker,
      leased_until = now() + claim_attachments.lease,
      updated_at = now()
    where a.id = any (chosen)
    returning a.*
  ),
  told as (
    insert into public.system_events (attachment_id, worker, event, detail)
    select before.id, before.leased_by, 'lease_lost', jsonb_build_object(
      'claim_token', before.claim_token, 'lost_leases', before.lost_leases + 1, 'taken_by', claim_attachments.worker
    )
    from before
    where before.leased_until is not null
  )
  select coalesce(
    jsonb_agg(
      jsonb_build_object(
        'id', t.id, 'claim_token', t.claim_token, 'lead_id', t.lead_id, 'message_id', t.message_id,
        'whatsapp_media_id', t.whatsapp_media_id, 'phone_number_id', t.phone_number_id, 'kind', t.kind,
        'file_name', t.file_name, 'declared_mime_type', t.declared_mime_type,
        'declared_sha256', t.declared_sha256, 'expires_at', t.expires_at, 'upload_attempts', t.upload_attempts,
        'max_attempts', t.max_attempts, 'lost_leases', t.lost_leases, 'bucket', t.bucket,
        'object_prefix', t.object_prefix, 'created_at', t.created_at, 'due_at', t.next_attempt_at
      )
      order by array_position(chosen, t.id)
    ),
    '[]'
  )
  into claims
  from taken t;
  return jsonb_build_object('paused', false, 'claims', claims, 'worker_lost', to_jsonb(lost_workers));
end
$$;
comment on function public.claim_attachments(text, bigint[], integer, interval) is
  'Takes up to max (at most 500) attachments for a worker. When a row that has lost two leases or more is due, that one '
  'alone; otherwise none of those, but up to half of them from ids, newest first, the rest due rows, those expiring '
  'within 24 hours first, then by next_attempt_at; unused shares pass over. Due are PENDING rows whose time has come and '
  'UPLOADING rows whose lease ran out (which adds one to lost_leases) or is missing, from the second lost lease on '
  'after mediaferry.suspect_pause(). Answers {"paused", "claims": [...], "worker_lost": [ids FAILED here because the '
  'fifth lease was lost]}.';

revoke all on function
  mediaferry.page(integer),
  mediaferry.check_list(jsonb, text),
  mediaferry.check_worker(text, interval),
  public.claim_attachments(text, bigint[], integer, interval)
from public, anon, authenticated;
grant execute on function
  mediaferry.page(integer),
  mediaferry.check_list(jsonb, text),
  mediaferry.check_worker(text, interval),
  public.claim_attachments(text, bigint[], integer, interval)
to service_role;
