-- A retry of all passes over the files of a person who is being forgotten, and so reaches what lies behind them.

create or replace function public.retry_attachments(
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
