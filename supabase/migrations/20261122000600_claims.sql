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

create function mediaferry.fail_lost_workers() returns bigint[]
language sql volatile set search_path = '' as $$
  with dead as materialized (
    select a.id, a.leased_by, a.lost_leases + (a.leased_until is not null)::integer as lost
    from public.attachments a
    where a.upload_status = 'UPLOADING'
      and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
      and a.lost_leases + (a.leased_until is not null)::integer >= 5
    order by a.id
    limit 500
    for no key update skip locked
  ),
  failed as (
    update public.attachments a
    set
      upload_status = 'FAILED', lost_leases = dead.lost, leased_by = null, leased_until = null,
      error_code = 'worker_lost',
      error_message = 'Five workers in turn stopped or fell silent while they had this file.',
      updated_at = now()
    from dead
    where a.id = dead.id
    returning a.id, a.claim_token, dead.leased_by, dead.lost
  ),
  told as (
    insert into public.system_events (attachment_id, worker, event, detail)
    select id, leased_by, 'failed', jsonb_build_object(
      'error_code', 'worker_lost', 'claim_token', claim_token, 'lost_leases', lost
    )
    from failed
  )
  select coalesce(array_agg(id order by id), '{}') from failed
$$;
comment on function mediaferry.fail_lost_workers() is
  'A file that takes its worker down each time is FAILED when the fifth lease is lost, so that it stops nobody else.';

-- A plan for each call: with its limit known the planner walks the partial indexes in order, where a generic plan
-- assumes a tenth of the rows and may sort them all. Planning costs about 0.2 ms a statement.
create function public.claim_attachments(worker text, ids bigint[], max integer, lease interval) returns jsonb
language plpgsql volatile security invoker set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
  wanted constant integer := mediaferry.page(claim_attachments.max);
  woken constant bigint[] := coalesce(claim_attachments.ids, '{}');
  urgent_until constant timestamptz := now() + interval '24 hours';
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

  -- 1. Half for those just announced, newest first, so that a backlog does not delay what somebody waits for now.
  if cardinality(woken) > 0 then
    chosen := array(
      select a.id from public.attachments a
      where a.id = any (woken)
        and (
          a.upload_status = 'PENDING' and a.next_attempt_at <= now()
          or a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        )
      order by a.id desc
      limit (wanted + 1) / 2
      for no key update skip locked
    );
  end if;

  -- 2. Those that Meta deletes within a day: claims of dead workers, then waiting rows.
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.expires_at > now() and a.expires_at <= urgent_until and a.id <> all (chosen)
      order by a.expires_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'PENDING' and a.next_attempt_at <= now()
        and a.expires_at > now() and a.expires_at <= urgent_until and a.id <> all (chosen)
      order by a.expires_at, a.next_attempt_at
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;

  -- 3. The rest. Claims of dead workers were due before anything that still waits.
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.id <> all (chosen)
      order by a.next_attempt_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
  end if;
  if cardinality(chosen) < wanted then
    chosen := chosen || array(
      select a.id from public.attachments a
      where a.upload_status = 'PENDING' and a.next_attempt_at <= now() and a.id <> all (chosen)
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
  'Takes up to max (at most 500) attachments for a worker: up to half of them from ids, newest first, the rest due '
  'rows, those expiring within 24 hours first, then by next_attempt_at; unused shares pass over. Due are PENDING '
  'rows whose time has come and UPLOADING rows whose lease ran out (which adds one to lost_leases) or is missing. '
  'Answers {"paused", "claims": [...], "worker_lost": [ids FAILED here because the fifth lease was lost]}.';

create function public.renew_leases(worker text, claims jsonb, lease interval) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  held jsonb;
begin
  perform mediaferry.check_worker(renew_leases.worker, renew_leases.lease);
  perform mediaferry.check_list(renew_leases.claims, 'claims');
  with given as materialized (
    select distinct g.id, g.claim_token
    from jsonb_to_recordset(renew_leases.claims) g (id bigint, claim_token bigint)
  ),
  ours as materialized (
    select a.id
    from public.attachments a
    join given on given.id = a.id and given.claim_token = a.claim_token
    where a.upload_status = 'UPLOADING' and a.leased_by = renew_leases.worker and a.leased_until is not null
    order by a.id
    for no key update of a
  ),
  renewed as (
    update public.attachments a
    set leased_until = now() + renew_leases.lease
    from ours
    where a.id = ours.id
    returning a.id, a.claim_token
  )
  select coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'claim_token', r.claim_token) order by r.id), '[]')
  into held
  from renewed r;
  return jsonb_build_object('held', held);
end
$$;
comment on function public.renew_leases(text, jsonb, interval) is
  'Renews all of a worker''s claims [{id, claim_token}] (at most 500) in one statement. Answers {"held": [...]}: '
  'what is missing there belongs to somebody else now. A lease that ran out and was not taken over is still held.';

create function public.release_claims(worker text) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  released bigint[];
begin
  with left_over as materialized (
    select a.id
    from public.attachments a
    where a.upload_status = 'UPLOADING' and a.leased_by = release_claims.worker and a.leased_until is not null
    order by a.id
    for no key update
  ),
  freed as (
    update public.attachments a
    set leased_until = null, lost_leases = a.lost_leases + 1, updated_at = now()
    from left_over
    where a.id = left_over.id
    returning a.id, a.claim_token, a.lost_leases
  ),
  told as (
    insert into public.system_events (attachment_id, worker, event, detail)
    select id, release_claims.worker, 'lease_lost', jsonb_build_object(
      'claim_token', claim_token, 'lost_leases', lost_leases, 'released', true
    )
    from freed
  )
  select coalesce(array_agg(id order by id), '{}') into released from freed;
  return jsonb_build_object(
    'released', to_jsonb(released),
    'worker_lost', coalesce(
      (
        select jsonb_agg(a.id order by a.id) from public.attachments a
        where a.id = any (released) and a.lost_leases >= 5
      ),
      '[]'
    )
  );
end
$$;
comment on function public.release_claims(text) is
  'At a worker''s start: what it held in an earlier life is counted as lost and free for the next claim, at once. '
  'The rows stay UPLOADING, without a lease and with token and worker, so that an upload that was finished before '
  'the crash can still be settled until somebody claims the row. Answers {"released": [ids], "worker_lost": [ids '
  'among them that the next claim, by anybody, will turn FAILED]}.';

revoke all on function
  mediaferry.page(integer),
  mediaferry.check_list(jsonb, text),
  mediaferry.check_worker(text, interval),
  mediaferry.fail_lost_workers(),
  public.claim_attachments(text, bigint[], integer, interval),
  public.renew_leases(text, jsonb, interval),
  public.release_claims(text)
from public, anon, authenticated;
grant execute on function
  mediaferry.page(integer),
  mediaferry.check_list(jsonb, text),
  mediaferry.check_worker(text, interval),
  mediaferry.fail_lost_workers(),
  public.claim_attachments(text, bigint[], integer, interval),
  public.renew_leases(text, jsonb, interval),
  public.release_claims(text)
to service_role;
