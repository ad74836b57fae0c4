-- A row that has lost two leases or more is a suspect: it may be what ends its workers. It may as well have been
-- near by when something else ended them, so it is claimed alone and after a pause: its next loss then says
-- something about this file, and costs no other file a lease.
--
-- lost_leases + (leased_until is not null)::integer is what a row has lost once the claim that it carries is dead. It
-- stands written out wherever an index has to be recognised by it.

create function mediaferry.suspect_pause(lost integer) returns interval
language sql immutable set search_path = '' as $$
  select case
    when suspect_pause.lost < 2 then interval '0'
    when suspect_pause.lost = 2 then interval '30 seconds'
    when suspect_pause.lost = 3 then interval '2 minutes'
    else interval '8 minutes'
  end
$$;
comment on function mediaferry.suspect_pause(integer) is
  'How long nobody claims a row whose last claim died as its so-manieth lost lease. Workers that are ended by '
  'something else (a bad deployment, memory, power) die again and again within seconds, and without a pause the same '
  'rows would be at hand each time: 200 kills in eight minutes once made eight sound files FAILED. So the five '
  'losses of a file are spread over more than ten minutes; the first two cost nothing, because most deaths are '
  'single ones.';

-- Each row is in one of the two: claims that are taken over at once, and those that wait for their pause.
drop index public.attachments_uploading_lease;
create index attachments_uploading_lease on public.attachments (coalesce(leased_until, '-infinity'::timestamptz))
  where upload_status = 'UPLOADING' and lost_leases + (leased_until is not null)::integer < 2;
create index attachments_uploading_suspects on public.attachments (
  (lost_leases + (leased_until is not null)::integer), coalesce(leased_until, updated_at), id
)
  where upload_status = 'UPLOADING' and lost_leases + (leased_until is not null)::integer >= 2;
create index attachments_pending_suspects on public.attachments (next_attempt_at, id)
  where upload_status = 'PENDING' and lost_leases >= 2;

comment on column public.attachments.lost_leases is
  'Claims that ended with a dead worker. From two the row is claimed alone and after a pause, at five it is FAILED as '
  'worker_lost.';

-- Every claim begins with it, and hardly ever is there such a row: then it is one look at an index, planned once for a
-- connection. In the order of that index and by ids, so that no plan reads the whole table.
create or replace function mediaferry.fail_lost_workers() returns bigint[]
language plpgsql volatile set search_path = '' as $$
declare
  dead bigint[];
begin
  dead := array(
    select a.id from public.attachments a
    where a.upload_status = 'UPLOADING'
      and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
      and a.lost_leases + (a.leased_until is not null)::integer >= 5
    order by a.lost_leases + (a.leased_until is not null)::integer, coalesce(a.leased_until, a.updated_at), a.id
    limit 500
    for no key update skip locked
  );
  if cardinality(dead) = 0 then
    return dead;
  end if;
  with before as materialized (
    select a.id, a.leased_by, a.lost_leases + (a.leased_until is not null)::integer as lost
    from public.attachments a
    where a.id = any (dead)
  ),
  failed as (
    update public.attachments a
    set
      upload_status = 'FAILED', lost_leases = a.lost_leases + (a.leased_until is not null)::integer,
      leased_by = null, leased_until = null, error_code = 'worker_lost',
      error_message = 'Five workers in turn stopped or fell silent while they had this file.',
      updated_at = now()
    where a.id = any (dead)
    returning a.id, a.claim_token
  )
  insert into public.system_events (attachment_id, worker, event, detail)
  select b.id, b.leased_by, 'failed', jsonb_build_object(
    'error_code', 'worker_lost', 'claim_token', f.claim_token, 'lost_leases', b.lost
  )
  from failed f
  join before b on b.id = f.id
  order by b.id;
  return array(select f.id from unnest(dead) f (id) order by f.id);
end
$$;

-- No statement has a parameter, so that each is planned once for a connection.
create function mediaferry.next_suspect() returns bigint
language plpgsql volatile set search_path = '' as $$
declare
  found_id bigint;
begin
  -- Those with the fewest losses first: most likely they are sound. A released claim died when it was released.
  select s.id into found_id
  from (values (2), (3), (4)) as dead (lost)
  cross join lateral (
    select a.id from public.attachments a
    where a.upload_status = 'UPLOADING'
      and a.lost_leases + (a.leased_until is not null)::integer >= 2
      and a.lost_leases + (a.leased_until is not null)::integer = dead.lost
      and coalesce(a.leased_until, a.updated_at) <= now() - mediaferry.suspect_pause(dead.lost)
    order by coalesce(a.leased_until, a.updated_at), a.id
    limit 1
    for no key update skip locked
  ) s
  limit 1;
  if found_id is not null then
    return found_id;
  end if;
  -- Given back alive, it has had its pause.
  select a.id into found_id
  from public.attachments a
  where a.upload_status = 'PENDING' and a.lost_leases >= 2 and a.next_attempt_at <= now()
  order by a.next_attempt_at, a.id
  limit 1
  for no key update skip locked;
  return found_id;
end
$$;
comment on function mediaferry.next_suspect() is
  'Locks and answers one row with two lost leases or more whose pause is over; null when there is none.';
revoke all on function mediaferry.suspect_pause(integer), mediaferry.next_suspect()
from public, anon, authenticated;
grant execute on function mediaferry.suspect_pause(integer), mediaferry.next_suspect() to service_role;

-- A plan for each call: with its limit known the planner walks the partial indexes in order, where a generic plan
-- assumes a tenth of the rows and may sort them all. Planning costs about 0.2 ms a statement.
create or replace function public.claim_attachments(worker text, ids bigint[], max integer, lease interval) returns jsonb
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

-- As before, but a suspect is due only when its pause is over.
create or replace function public.pipeline_summary() returns jsonb
language sql stable security invoker set search_path = '' as $$
  with counted as materialized (
    select c.upload_status, sum(c.delta)::bigint as rows from mediaferry.status_counts c group by c.upload_status
  ),
  -- Of a backlog the first thousand are looked at, and the rest is what the counts say without those that still wait.
  first_due as materialized (
    select a.next_attempt_at from public.attachments a
    where a.upload_status = 'PENDING' and a.next_attempt_at <= now()
    order by a.next_attempt_at
    limit 1000
  ),
  waiting as materialized (
    select count(*) as rows
    from (
      select from public.attachments a
      where a.upload_status = 'PENDING' and a.next_attempt_at > now()
      order by a.next_attempt_at
      limit 1000
    ) w
  ),
  pending as (
    select case
      when (select count(*) from first_due) < 1000 then (select count(*) from first_due)
      when (select w.rows from waiting w) < 1000
        then (select c.rows from counted c where c.upload_status = 'PENDING') - (select w.rows from waiting w)
      -- Many of both: nobody needs to know such a backlog's size to the last row.
      else (
        select count(*)
        from (
          select from public.attachments a
          where a.upload_status = 'PENDING' and a.next_attempt_at <= now()
          order by a.next_attempt_at
          limit 10000
        ) d
      )
    end as due
  ),
  orphaned as materialized (
    select * from (
      select a.next_attempt_at from public.attachments a
      where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
        and a.lost_leases + (a.leased_until is not null)::integer < 2
      limit 10000
    ) dead
    union all
    select * from (
      select a.next_attempt_at from public.attachments a
      where a.upload_status = 'UPLOADING' and a.lost_leases + (a.leased_until is not null)::integer >= 2
        and coalesce(a.leased_until, a.updated_at)
          <= now() - mediaferry.suspect_pause(a.lost_leases + (a.leased_until is not null)::integer)
      order by a.lost_leases + (a.leased_until is not null)::integer, coalesce(a.leased_until, a.updated_at), a.id
      limit 10000
    ) suspects
  )
  select jsonb_build_object(
    'counts', (
      select jsonb_object_agg(s.upload_status, coalesce(c.rows, 0))
      from unnest(enum_range(null::public.upload_status)) as s (upload_status)
      left join counted c on c.upload_status = s.upload_status
    ),
    'due', (select p.due from pending p) + (select count(*) from orphaned),
    'oldest_due_at', least(
      (select min(d.next_attempt_at) from first_due d), (select min(o.next_attempt_at) from orphaned o)
    ),
    'expiring_24h', (select least(count(*), 10000) from mediaferry.expiring(interval '24 hours')),
    'rejected', (select count(*) from (select from public.rejected_payloads r order by r.id limit 10000) r),
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
