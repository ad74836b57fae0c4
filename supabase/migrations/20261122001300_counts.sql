-- How many attachments are in each state, and why those that FAILED did, kept as it changes: counted anew, a table of
-- ten million rows would cost every look at the dashboard a second.

create table mediaferry.status_counts (
  id bigint generated always as identity primary key,
  upload_status public.upload_status not null,
  error_code text,
  delta bigint not null
);
comment on table mediaferry.status_counts is
  'The sum of delta is the number of attachments in that state, with that error code when it is FAILED. Each '
  'statement appends what it has changed and updates nothing, so that no two of them wait for each other; beats, and '
  'an ingest now and then, fold the rows into one for each of them.';

alter table mediaferry.status_counts enable row level security;
revoke all on table mediaferry.status_counts from public, anon, authenticated, service_role;
grant select, insert, delete on table mediaferry.status_counts to service_role;

-- As its owner: whoever may write attachments need not know of the counts.
create function mediaferry.count_inserted() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into mediaferry.status_counts (upload_status, error_code, delta)
  select n.upload_status, case n.upload_status when 'FAILED' then n.error_code end, count(*)
  from inserted n
  group by 1, 2;
  -- Where `sweep` works alone, nobody beats.
  perform mediaferry.fold_counts(1000);
  return null;
end
$$;

create function mediaferry.count_updated() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into mediaferry.status_counts (upload_status, error_code, delta)
  select c.upload_status, case c.upload_status when 'FAILED' then c.error_code end, sum(c.delta)
  from (
    select o.upload_status, o.error_code, -1 as delta from before o
    union all
    select n.upload_status, n.error_code, 1 from after n
  ) c
  group by 1, 2
  -- Renewals, merges and the like change no state.
  having sum(c.delta) <> 0;
  return null;
end
$$;

create function mediaferry.count_deleted() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into mediaferry.status_counts (upload_status, error_code, delta)
  select d.upload_status, case d.upload_status when 'FAILED' then d.error_code end, -count(*)
  from deleted d
  group by 1, 2;
  return null;
end
$$;

create function mediaferry.count_truncated() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from mediaferry.status_counts c where c.id is not null;
  return null;
end
$$;

create trigger attachments_count_inserted after insert on public.attachments
  referencing new table as inserted for each statement execute function mediaferry.count_inserted();
create trigger attachments_count_updated after update on public.attachments
  referencing old table as before new table as after for each statement execute function mediaferry.count_updated();
create trigger attachments_count_deleted after delete on public.attachments
  referencing old table as deleted for each statement execute function mediaferry.count_deleted();
create trigger attachments_count_truncated after truncate on public.attachments
  for each statement execute function mediaferry.count_truncated();

-- What is there already. The triggers' own lock keeps writers out until this has committed.
insert into mediaferry.status_counts (upload_status, error_code, delta)
select a.upload_status, case a.upload_status when 'FAILED' then a.error_code end, count(*)
from public.attachments a
group by 1, 2;

create function mediaferry.fold_counts(spared integer default 100) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not exists (select from mediaferry.status_counts c order by c.id offset fold_counts.spared limit 1) then
    return;
  end if;
  -- One at a time. A reader sees the rows before or the sums after, never both.
  if not pg_try_advisory_xact_lock(hashtextextended('mediaferry.fold_counts', 0)) then
    return;
  end if;
  with folded as (
    delete from mediaferry.status_counts c
    -- A part: what has gathered in months must not outlast a statement's time.
    where c.id in (select s.id from mediaferry.status_counts s order by s.id limit 10000)
    returning c.upload_status, c.error_code, c.delta
  )
  insert into mediaferry.status_counts (upload_status, error_code, delta)
  select f.upload_status, f.error_code, sum(f.delta)
  from folded f
  group by f.upload_status, f.error_code
  having sum(f.delta) <> 0;
end
$$;
comment on function mediaferry.fold_counts(integer) is
  'Makes one row for each state and error code of the oldest 10,000, once there are more than spared.';

create or replace function public.beat_canary(worker text, state text, circuits jsonb, version text) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  beat bigint;
begin
  insert into public.realtime_canary as c (worker, state, circuits, version)
  values (beat_canary.worker, beat_canary.state, coalesce(beat_canary.circuits, '{}'), beat_canary.version)
  on conflict on constraint realtime_canary_pkey do update
  set
    beat = c.beat + 1, state = excluded.state, circuits = excluded.circuits, version = excluded.version,
    last_seen = now()
  returning c.beat into beat;
  -- Skipping what is locked: two daemons that wake up after a day must not wait for each other's row.
  delete from public.realtime_canary c
  where c.worker in (
    select s.worker from public.realtime_canary s where s.last_seen < now() - interval '1 day' for update skip locked
  );
  perform mediaferry.fold_counts();
  return jsonb_build_object(
    'beat', beat, 'paused', exists (select from public.pipeline_control p where p.paused)
  );
end
$$;

create function mediaferry.expiring(within interval) returns setof timestamptz
language sql stable set search_path = '' as $$
  -- A state each: the two have an index of their own, and none has both.
  (
    select a.expires_at from public.attachments a
    where a.upload_status = 'PENDING' and a.expires_at > now() and a.expires_at <= now() + expiring.within
    order by a.expires_at
    limit 10000
  )
  union all
  (
    select a.expires_at from public.attachments a
    where a.upload_status = 'UPLOADING' and a.expires_at > now() and a.expires_at <= now() + expiring.within
    limit 10000
  )
$$;
comment on function mediaferry.expiring(interval) is
  'When Meta deletes the open files that it deletes within that time; the soonest 10,000 that wait, and as many that '
  'are under way.';

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
    select a.next_attempt_at from public.attachments a
    where a.upload_status = 'UPLOADING' and coalesce(a.leased_until, '-infinity'::timestamptz) <= now()
    limit 10000
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
comment on function public.pipeline_summary() is
  'The state of everything: {"counts": {PENDING, UPLOADING, UPLOADED, FAILED}, "due", "oldest_due_at", '
  '"expiring_24h" (open rows that Meta deletes within a day), "rejected", "paused": null or {changed_by, reason, '
  'changed_at}, "daemons": [{worker, beat, state, circuits, version, last_seen}]}. expiring_24h and rejected say 10000 '
  'for ten thousand or more, and so does due where more than a thousand still wait for their time.';

create or replace function public.failure_counts() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object(
    'codes', coalesce(
      (
        select jsonb_agg(jsonb_build_object('code', c.error_code, 'count', c.files) order by c.files desc, c.error_code)
        from (
          select k.error_code, sum(k.delta)::bigint as files from mediaferry.status_counts k
          where k.upload_status = 'FAILED'
          group by k.error_code
          having sum(k.delta) > 0
          order by 2 desc, 1
          limit 500
        ) c
      ),
      '[]'
    )
  )
$$;

revoke all on function
  mediaferry.count_inserted(), mediaferry.count_updated(), mediaferry.count_deleted(), mediaferry.count_truncated(),
  mediaferry.fold_counts(integer), mediaferry.expiring(interval)
from public, anon, authenticated;
grant execute on function mediaferry.fold_counts(integer), mediaferry.expiring(interval) to service_role;
