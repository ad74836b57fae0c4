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

create function public.failure_counts() returns jsonb
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
comment on function public.failure_counts() is 'FAILED attachments by error code: {"codes": [{code, count}]}, most first.';

revoke all on function
  mediaferry.count_inserted(),
  mediaferry.count_updated(),
  mediaferry.count_deleted(),
  mediaferry.count_truncated(),
  mediaferry.fold_counts(integer),
  public.failure_counts()
from public, anon, authenticated;
grant execute on function
  mediaferry.fold_counts(integer),
  public.failure_counts()
to service_role;
