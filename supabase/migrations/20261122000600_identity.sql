-- Who somebody is: the lead behind a message's contact.

create function mediaferry.lock_identities(messages jsonb) returns void
language plpgsql volatile set search_path = '' as $$
declare
  -- An arbitrary class of advisory locks, ours alone.
  lock_class constant integer := 1835361638;
  users text[];
  phones text[];
  shared_phones text[];
  bucket integer;
begin
  select
    array_agg(distinct c.user_id) filter (where c.user_id <> ''),
    array_agg(distinct c.phone) filter (where c.phone <> ''),
    array_agg(distinct c.phone) filter (where c.phone <> '' and c.user_id <> '')
  into users, phones, shared_phones
  from jsonb_array_elements(messages) m (value)
  cross join lateral (
    select m.value #>> '{contact,user_id}' as user_id, m.value #>> '{contact,phone}' as phone
  ) c;

  -- Row locks cannot keep two deliveries from inserting the same new lead under two unique columns in opposite
  -- order. 256 buckets bound what one transaction takes from the server's lock table (6,400 entries by default).
  for bucket in
    select distinct hashtext(identity) & 255 from unnest(users || phones) identity order by 1
  loop
    perform pg_advisory_xact_lock(lock_class, bucket);
  end loop;

  perform from public.leads l where l.user_id = any (users) or l.phone = any (phones) order by l.id for update;

  -- A phone-only lead whose phone now comes with a user id may be merged below: its attachments are re-pointed.
  perform from public.attachments a
  where a.lead_id in (select l.id from public.leads l where l.user_id is null and l.phone = any (shared_phones))
  order by a.id
  for no key update;
end
$$;

create function mediaferry.merge_leads(source bigint, target bigint) returns void
language plpgsql volatile set search_path = '' as $$
declare
  moved integer;
begin
  update public.attachments set lead_id = target, updated_at = now() where lead_id = source;
  get diagnostics moved = row_count;
  update public.processed_messages set lead_id = target where lead_id = source;
  delete from public.leads where id = source;
  insert into public.system_events (event, detail)
  values ('leads_merged', jsonb_build_object('lead_id', target, 'merged_lead_id', source, 'attachments', moved));
end
$$;
comment on function mediaferry.merge_leads(bigint, bigint) is
  'Two rows turned out to be one person: attachments are re-pointed first, then the source row goes.';

create function mediaferry.resolve_lead(contact jsonb, seen_at timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
declare
  given_user constant text := nullif(contact ->> 'user_id', '');
  given_phone constant text := nullif(contact ->> 'phone', '');
  given_name constant text := nullif(contact ->> 'profile_name', '');
  by_user public.leads;
  by_phone public.leads;
  lead public.leads;
begin
  if given_user is null and given_phone is null then
    return null;
  end if;
  select l.* into by_user from public.leads l where l.user_id = given_user;
  select l.* into by_phone from public.leads l where l.phone = given_phone;

  if by_user.id is not null then
    lead := by_user;
  elsif by_phone.id is not null and (given_user is null or by_phone.user_id is null) then
    lead := by_phone;
  else
    insert into public.leads (user_id, phone, profile_name, phone_seen_at)
    values (given_user, case when by_phone.id is null then given_phone end, given_name, seen_at)
    returning * into lead;
  end if;

  if given_phone is distinct from lead.phone and given_phone is not null then
    if by_phone.id is not null and by_phone.user_id is null then
      perform mediaferry.merge_leads(by_phone.id, lead.id);
      by_phone := null;
    end if;
    -- An old message that arrives late does not undo what a newer one showed.
    if (by_phone.id is null or seen_at >= by_phone.phone_seen_at)
      and (lead.phone is null or seen_at >= lead.phone_seen_at)
    then
      if by_phone.id is not null then
        update public.leads set phone = null, updated_at = now() where id = by_phone.id;
        insert into public.system_events (event, detail)
        values ('phone_changed_hands', jsonb_build_object('lead_id', lead.id, 'former_lead_id', by_phone.id));
      end if;
      update public.leads set phone = given_phone, phone_seen_at = seen_at, updated_at = now() where id = lead.id;
    end if;
  end if;

  -- Nothing is written for somebody who is known already: 1,000 messages of one person are one row version.
  update public.leads l
  set
    user_id = coalesce(l.user_id, given_user),
    profile_name = coalesce(given_name, l.profile_name),
    phone_seen_at = case when l.phone = given_phone then greatest(l.phone_seen_at, seen_at) else l.phone_seen_at end,
    updated_at = now()
  where l.id = lead.id
    and (
      l.user_id is null and given_user is not null
      or given_name is distinct from l.profile_name and given_name is not null
      or l.phone = given_phone and seen_at > l.phone_seen_at + interval '1 hour'
    );
  return lead.id;
end
$$;
comment on function mediaferry.resolve_lead(jsonb, timestamptz) is
  'The lead behind a contact, made, completed or merged as needed; null when it names nobody. A user id decides '
  'first; two different user ids are never merged, the phone moves to the one who wrote last.';

revoke all on function
  mediaferry.lock_identities(jsonb),
  mediaferry.merge_leads(bigint, bigint),
  mediaferry.resolve_lead(jsonb, timestamptz)
from public, anon, authenticated;
grant execute on function
  mediaferry.lock_identities(jsonb),
  mediaferry.merge_leads(bigint, bigint),
  mediaferry.resolve_lead(jsonb, timestamptz)
to service_role;
