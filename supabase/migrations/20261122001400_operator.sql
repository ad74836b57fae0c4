-- What the person who runs it asks for: the state of everything, pause, retry.

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

create function public.pipeline_summary() returns jsonb
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
comment on function public.pipeline_summary() is
  'The state of everything: {"counts": {PENDING, UPLOADING, UPLOADED, FAILED}, "due", "oldest_due_at", '
  '"expiring_24h" (open rows that Meta deletes within a day), "rejected", "paused": null or {changed_by, reason, '
  'changed_at}, "daemons": [{worker, beat, state, circuits, version, last_seen}]}. expiring_24h and rejected say 10000 '
  'for ten thousand or more, and so does due where more than a thousand still wait for their time.';

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
      -- Nobody is brought back who is being forgotten: such a row would fill the page, and its story would lie.
      and not exists (select from public.leads l where l.id = a.lead_id and l.forget_after is not null)
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

create function public.retry_by_operator(
  changed_by text, ids bigint[] default null, code text default null, max integer default 500
) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  answer jsonb := public.retry_attachments(retry_by_operator.ids, retry_by_operator.code, retry_by_operator.max);
  count integer := jsonb_array_length(answer -> 'retried');
begin
  if count > 0 then
    insert into public.system_events (attachment_id, event, detail)
    values (
      case when count = 1 and retry_by_operator.ids is not null then (answer -> 'retried' ->> 0)::bigint end,
      'retry_requested',
      jsonb_strip_nulls(jsonb_build_object(
        'changed_by', retry_by_operator.changed_by, 'error_code', retry_by_operator.code, 'attachments', count
      ))
    );
  end if;
  return answer;
end
$$;
comment on function public.retry_by_operator(text, bigint[], text, integer) is
  'retry_attachments, and in the same transaction an event that says who asked for it.';

revoke all on function
  mediaferry.expiring(interval),
  public.pipeline_summary(),
  public.set_pipeline_paused(boolean, text, text),
  public.retry_attachments(bigint[], text, integer),
  public.retry_by_operator(text, bigint[], text, integer)
from public, anon, authenticated;
grant execute on function
  mediaferry.expiring(interval),
  public.pipeline_summary(),
  public.set_pipeline_paused(boolean, text, text),
  public.retry_attachments(bigint[], text, integer),
  public.retry_by_operator(text, bigint[], text, integer)
to service_role;
