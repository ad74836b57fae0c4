-- Claims that go on, and those of a worker's earlier life.

create function public.renew_leases(worker text, claims jsonb, lease interval) returns jsonb
language plpgsql volatile security invoker set search_path = ''
-- Right for any table, whatever its statistics say or do not say.
set enable_seqscan = off set jit = off
as $$
declare
  held jsonb;
begin
  perform mediaferry.check_worker(renew_leases.worker, renew_leases.lease);
  perform mediaferry.check_list(renew_leases.claims, 'claims');
  with given as materialized (
    select distinct g.id, g.claim_token
    from jsonb_to_recordset(renew_leases.claims) g (id bigint, claim_token bigint)
    order by g.id
  ),
  -- One look at an index for each, in the order of ids: a join may as well read whatever is UPLOADING.
  ours as materialized (
    select held.id
    from given
    cross join lateral (
      select a.id
      from public.attachments a
      where a.id = given.id and given.claim_token = a.claim_token
        and a.upload_status = 'UPLOADING' and a.leased_by = renew_leases.worker and a.leased_until is not null
      for no key update
    ) held
  ),
  renewed as (
    update public.attachments a
    set leased_until = now() + renew_leases.lease
    where a.id = any (array(select o.id from ours o))
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
  public.renew_leases(text, jsonb, interval),
  public.release_claims(text)
from public, anon, authenticated;
grant execute on function
  public.renew_leases(text, jsonb, interval),
  public.release_claims(text)
to service_role;
