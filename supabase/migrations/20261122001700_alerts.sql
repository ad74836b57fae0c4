-- What somebody should be told of who is not looking: once, however many daemons notice it.

create function public.raise_alert(alert text, detail jsonb, quiet interval, worker text default null) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
begin
  -- Two daemons notice the same outage at the same moment.
  perform pg_advisory_xact_lock(hashtextextended('mediaferry.raise_alert ' || raise_alert.alert, 0));
  if exists (
    select from public.system_events e
    where e.event = 'alert' and e.detail ->> 'alert' = raise_alert.alert
      and e.created_at > now() - raise_alert.quiet
  ) then
    return jsonb_build_object('raised', false);
  end if;
  insert into public.system_events (worker, event, detail)
  values (
    raise_alert.worker, 'alert',
    coalesce(raise_alert.detail, '{}') || jsonb_build_object('alert', raise_alert.alert)
  );
  return jsonb_build_object('raised', true);
end
$$;
comment on function public.raise_alert(text, jsonb, interval, text) is
  'Writes an event `alert` unless the same alert was raised within the quiet time. Answers {"raised"}: whoever hears '
  'true tells the people.';

create function public.expiring_attachments(within interval default interval '24 hours') returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object('count', least(count(*), 10000), 'soonest', min(e.expires_at))
  from mediaferry.expiring(expiring_attachments.within) as e (expires_at)
$$;
comment on function public.expiring_attachments(interval) is
  'Open rows that Meta deletes within that time: {"count" (10000: as many or more), "soonest"}.';

revoke all on function
  public.raise_alert(text, jsonb, interval, text), public.expiring_attachments(interval)
from public, anon, authenticated;
grant execute on function
  public.raise_alert(text, jsonb, interval, text), public.expiring_attachments(interval)
to service_role;
