-- What a daemon asks for beside claims: which rows came since it last looked, and whether its Realtime hears.

create function public.attachments_after(
  xid xid8 default null, id bigint default null, max integer default 500
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with horizon as materialized (
    select pg_snapshot_xmin(pg_current_snapshot()) as xid, pg_snapshot_xmax(pg_current_snapshot()) as next
  ),
  page as materialized (
    select a.id, a.created_xid, a.created_at, a.upload_status
    from public.attachments a
    where (a.created_xid, a.id)
        > (coalesce(attachments_after.xid, '0'::xid8), coalesce(attachments_after.id, 0))
      and a.created_xid < (select h.xid from horizon h)
    order by a.created_xid, a.id
    limit mediaferry.page(attachments_after.max)
  )
  select jsonb_build_object(
    'cluster', (select s.system_identifier::text from pg_catalog.pg_control_system() s)
      || '/' || (select d.oid::text from pg_catalog.pg_database d where d.datname = current_database()),
    'horizon', (select h.xid::text from horizon h),
    'next', (select h.next::text from horizon h),
    'anchor', (select a.created_xid::text from public.attachments a where a.id = attachments_after.id),
    'rows', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'id', p.id, 'created_xid', p.created_xid::text, 'created_at', p.created_at,
            'upload_status', p.upload_status
          )
          order by p.created_xid, p.id
        )
        from page p
      ),
      '[]'
    )
  )
$$;
comment on function public.attachments_after(xid8, bigint, integer) is
  'Rows after the cursor (xid, id), nulls meaning the beginning, in (created_xid, id) order, at most 500, and below '
  'the horizon: the oldest transaction still open, so that a row committed late is never behind the cursor. Answers '
  '{"cluster", "horizon", "next", "anchor", "rows": [{id, created_xid, created_at, upload_status}]}; transaction '
  'ids are text. next - horizon is how many transaction ids the horizon lags; anchor is the created_xid that the '
  'row with the cursor''s id has now, null when there is none: another one than the cursor''s means a restore.';

create function public.beat_canary(worker text, state text, circuits jsonb, version text) returns jsonb
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
comment on function public.beat_canary(text, text, jsonb, text) is
  'Writes the daemon''s own row, whose event must come back through Realtime, and removes rows not seen for a day. '
  'Answers {"beat", "paused"}.';

create function mediaferry.wake_daemons() returns void
language sql volatile set search_path = '' as $$
  -- Nothing changes, and yet each row's UPDATE is announced; last_seen stays, because nobody was seen.
  with every as materialized (
    select c.worker from public.realtime_canary c order by c.worker for update
  )
  update public.realtime_canary c set beat = c.beat from every where c.worker = every.worker
$$;
comment on function mediaferry.wake_daemons() is 'Every daemon hears an UPDATE of its canary row and sweeps at once.';

create function public.record_events(events jsonb) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  recorded integer;
begin
  perform mediaferry.check_list(record_events.events, 'events');
  insert into public.system_events (attachment_id, worker, event, detail)
  select e.attachment_id, e.worker, e.event, coalesce(e.detail, '{}')
  from rows from (
    jsonb_to_recordset(record_events.events) as (attachment_id bigint, worker text, event text, detail jsonb)
  ) with ordinality as e (attachment_id, worker, event, detail, place)
  -- The story of a row that was forgotten meanwhile has ended.
  where e.attachment_id is null
    or exists (select from public.attachments a where a.id = e.attachment_id)
  order by e.place;
  get diagnostics recorded = row_count;
  return jsonb_build_object('recorded', recorded);
end
$$;
comment on function public.record_events(jsonb) is
  'Appends [{attachment_id, worker, event, detail}] (at most 500) to the story; events of attachments that are gone '
  'are left out. Answers {"recorded": n}.';

revoke all on function
  public.attachments_after(xid8, bigint, integer), public.beat_canary(text, text, jsonb, text),
  mediaferry.wake_daemons(), public.record_events(jsonb)
from public, anon, authenticated;
grant execute on function
  public.attachments_after(xid8, bigint, integer), public.beat_canary(text, text, jsonb, text),
  mediaferry.wake_daemons(), public.record_events(jsonb)
to service_role;
