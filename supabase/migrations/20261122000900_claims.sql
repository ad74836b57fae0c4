-- Who works on what. A claim is (attachment id, claim token); the database's clock decides who may take it, and the
-- token decides who may still speak for it.
--
-- Attachments are locked in id order, or with skip locked: nothing here waits in a circle. The lock is FOR NO KEY
-- UPDATE, which an event being inserted about the row (a foreign key's KEY SHARE) does not disturb.

-- In plpgsql, where an expression costs 1 µs: with a search path of its own an SQL function is not inlined and costs 15.
create function mediaferry.page(wanted integer) returns integer
language plpgsql immutable set search_path = '' as $$
begin
  return least(greatest(coalesce(wanted, 0), 0), 500);
end
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

-- It takes 55 µs of the server's CPU for each row in batches of 32 and 105 in batches of 8. Plans are made once for a
-- connection, because making them costs 0.2 ms a statement, and they must be right for any table: each statement reads
-- one partial index, mostly in its order, and what could lead elsewhere is off. (Without statistics, after a restore or
-- a great ingest, the planner takes a backlog for a handful of rows, and would have all of it read and sorted for each
-- claim.) JSON and not jsonb, which the Data API would only make text of again: half the cost of the answer.
create function public.claim_attachments(worker text, ids bigint[], max integer, lease interval) returns json
language plpgsql volatile security invoker set search_path = ''
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
set jit = off
as $$
declare
  wanted integer := mediaferry.page(claim_attachments.max);
  urgent_until constant timestamptz := now() + interval '24 hours';
  are_paused boolean;
  suspects_exist boolean;
  dead_exist boolean;
  urgent_exist boolean;
  suspect bigint;
  given bigint[];
  chosen bigint[] := '{}';
  -- Whether a claim of somebody else may be among the chosen.
  some_taken_over boolean := false;
  lost_workers bigint[] := '{}';
  claims json;
begin
  perform mediaferry.check_worker(claim_attachments.worker, claim_attachments.lease);
  -- What is hardly ever there is looked for once, in the order of its own index.
  select
    exists (select from public.pipeline_control c where c.paused),
    (
      select true from public.attachments a
      where a.upload_status = 'UPLOADING' and a.lost_leases + (a.leased_until is not null)::integer >= 2
      order by a.lost_leases + (a.leased_until is not null)::integer, coalesce(a.leased_until, a.updated_at), a.id
      limit 1
    ) is not null
    or (
      select true from public.attachments a
      where a.upload_status = 'PENDING' and a.lost_leases >= 2 and a.next_attempt_at <= now()
      order by a.next_attempt_at, a.id
      limit 1
    ) is not null,
    (
      select true from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.lost_leases + (a.leased_until is not null)::integer < 2
      order by coalesce(a.leased_until, '-infinity'::timestamptz)
      limit 1
    ) is not null,
    (
      select true from public.attachments a
      where a.upload_status = 'PENDING' and a.next_attempt_at <= now() and a.lost_leases < 2
        and a.expires_at > now() and a.expires_at <= urgent_until
      order by a.expires_at, a.next_attempt_at
      limit 1
    ) is not null
  into are_paused, suspects_exist, dead_exist, urgent_exist;
  if are_paused or wanted = 0 then
    return json_build_object('paused', are_paused, 'claims', '[]'::json, 'worker_lost', '[]'::json);
  end if;

  -- 1. A suspect whose pause is over, and nothing beside it. It goes before all others: with four lives left at most
  -- it cannot keep them waiting for long, and behind a backlog it would wait until Meta has deleted it.
  if suspects_exist then
    lost_workers := mediaferry.fail_lost_workers();
    suspect := mediaferry.next_suspect();
    if suspect is not null then
      chosen := array[suspect];
      wanted := 1;
      some_taken_over := true;
    end if;
  end if;

  -- 2. Half for those just announced, newest first, so that a backlog does not delay what somebody waits for now.
  if cardinality(claim_attachments.ids) > 0 and cardinality(chosen) < wanted then
    select coalesce(array_agg(w.id order by w.id desc), '{}'), coalesce(bool_or(w.upload_status = 'UPLOADING'), false)
    into chosen, some_taken_over
    from (
      select a.id, a.upload_status from public.attachments a
      where a.id = any (claim_attachments.ids)
        and a.lost_leases + (a.leased_until is not null)::integer < 2
        and (
          a.upload_status = 'PENDING' and a.next_attempt_at <= now()
          or a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        )
      order by a.id desc
      limit (wanted + 1) / 2
      for no key update skip locked
    ) w;
  end if;

  -- 3. Those that Meta deletes within a day: claims of dead workers, then waiting rows.
  if dead_exist and cardinality(chosen) < wanted then
    given := array(
      select a.id from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.lost_leases + (a.leased_until is not null)::integer < 2
        and a.expires_at > now() and a.expires_at <= urgent_until and a.id <> all (chosen)
      order by a.expires_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
    chosen := chosen || given;
    some_taken_over := some_taken_over or cardinality(given) > 0;
  end if;
  if urgent_exist and cardinality(chosen) < wanted then
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
  if dead_exist and cardinality(chosen) < wanted then
    given := array(
      select a.id from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.lost_leases + (a.leased_until is not null)::integer < 2
        and a.id <> all (chosen)
      order by a.next_attempt_at, a.id
      limit wanted - cardinality(chosen)
      for no key update skip locked
    );
    chosen := chosen || given;
    some_taken_over := some_taken_over or cardinality(given) > 0;
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

  if some_taken_over then
    insert into public.system_events (attachment_id, worker, event, detail)
    select a.id, a.leased_by, 'lease_lost', jsonb_build_object(
      'claim_token', a.claim_token, 'lost_leases', a.lost_leases + 1, 'taken_by', claim_attachments.worker
    )
    from public.attachments a
    where a.id = any (chosen) and a.upload_status = 'UPLOADING' and a.leased_until is not null
    order by a.id;
  end if;

  with taken as (
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
    returning
      a.id, a.claim_token, a.lead_id, a.message_id, a.whatsapp_media_id, a.phone_number_id, a.kind, a.file_name,
      a.declared_mime_type, a.declared_sha256, a.expires_at, a.upload_attempts, a.max_attempts, a.lost_leases,
      a.bucket, a.object_prefix, a.created_at, a.next_attempt_at as due_at
  )
  select coalesce(json_agg(t order by array_position(chosen, t.id)), '[]') into claims from taken t;
  return json_build_object('paused', false, 'claims', claims, 'worker_lost', to_json(lost_workers));
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
