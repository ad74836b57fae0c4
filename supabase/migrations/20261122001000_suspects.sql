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

-- A claim begins with it when there are suspects at all. In the order of their index and by ids, so that no plan reads
-- the whole table.
create function mediaferry.fail_lost_workers() returns bigint[]
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
comment on function mediaferry.fail_lost_workers() is
  'A file that takes its worker down each time is FAILED when the fifth lease is lost, so that it stops nobody else.';

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

revoke all on function
  mediaferry.suspect_pause(integer),
  mediaferry.fail_lost_workers(),
  mediaferry.next_suspect()
from public, anon, authenticated;
grant execute on function
  mediaferry.suspect_pause(integer),
  mediaferry.fail_lost_workers(),
  mediaferry.next_suspect()
to service_role;
