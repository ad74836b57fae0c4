-- What the dashboard asks. A list is read newest first, by id, and costs the same at ten rows and at ten million: each
-- filter that leaves few rows has an index, and what has none is looked for in so many rows a call and no further.

create function mediaferry.find_leads(sender text, max integer) returns bigint[]
language sql stable set search_path = '' as $$
  -- A number is typed with a plus, spaces or a trunk zero; the stored one is digits with the country's code.
  with asked as (
    select
      lower(find_leads.sender) as name,
      regexp_replace(find_leads.sender, '\D', '', 'g') as phone,
      case
        when find_leads.sender ~ '^[-+()./ 0-9]+$'
          then nullif(ltrim(regexp_replace(find_leads.sender, '\D', '', 'g'), '0'), '')
      end as digits
  ),
  exact as materialized (
    select l.id from public.leads l join asked on l.phone = asked.phone
  ),
  -- Who has typed a whole number means nobody else.
  newest as (
    select l.id, l.phone, l.user_id, l.profile_name from public.leads l
    where not exists (select from exact)
    order by l.id desc
    limit 200000
  ),
  found as (
    select e.id from exact e
    union
    (
      select l.id from newest l cross join asked
      where position(asked.digits in l.phone) > 0
        or position(asked.name in lower(l.profile_name)) > 0
        or lower(l.user_id) = asked.name
      order by l.id desc
      limit find_leads.max
    )
  )
  select coalesce(array_agg(f.id), '{}') from found f
$$;
comment on function mediaferry.find_leads(text, integer) is
  'Leads by phone (any part of it), user id or part of the profile name: the one with exactly that phone, or else up to '
  'max of the newest 200,000 leads (measured: half a second when nobody matches).';

create function mediaferry.attachment_ids(
  people bigint[], code text, status public.upload_status, below bigint, max integer
) returns bigint[]
language plpgsql stable set search_path = '' set plan_cache_mode = force_custom_plan as $$
begin
  if people is not null then
    return array(
      select a.id
      from unnest(people) person (id)
      cross join lateral (
        select b.id from public.attachments b
        where b.lead_id = person.id and b.id < below
        order by b.lead_id desc, b.id desc
        limit attachment_ids.max
      ) a
      order by a.id desc
      limit attachment_ids.max
    );
  elsif code is not null then
    return array(
      select a.id from public.attachments a
      where a.error_code = attachment_ids.code and a.id < below
      order by a.id desc
      limit attachment_ids.max
    );
  elsif status <> 'UPLOADED' then
    return array(
      select a.id from public.attachments a
      where a.upload_status = attachment_ids.status and a.upload_status <> 'UPLOADED' and a.id < below
      order by a.id desc
      limit attachment_ids.max
    );
  end if;
  return array(
    select a.id from public.attachments a where a.id < below order by a.id desc limit attachment_ids.max
  );
end
$$;
comment on function mediaferry.attachment_ids(bigint[], text, public.upload_status, bigint, integer) is
  'The newest ids below one, by the filter that leaves the fewest rows; the caller applies the others.';

create function mediaferry.attachment_row(a public.attachments) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'id', a.id, 'lead_id', a.lead_id,
    'lead', (
      select jsonb_build_object('phone', l.phone, 'profile_name', l.profile_name)
      from public.leads l where l.id = a.lead_id
    ),
    'kind', a.kind, 'voice', a.voice, 'animated', a.animated, 'caption', a.caption, 'file_name', a.file_name,
    'upload_status', a.upload_status, 'upload_attempts', a.upload_attempts, 'max_attempts', a.max_attempts,
    'error_code', a.error_code, 'error_message', a.error_message, 'size_bytes', a.size_bytes,
    'content_type', a.content_type, 'sent_at', a.sent_at, 'created_at', a.created_at,
    'uploaded_at', a.uploaded_at, 'expires_at', a.expires_at, 'next_attempt_at', a.next_attempt_at
  )
$$;
comment on function mediaferry.attachment_row(public.attachments) is 'What a list shows of an attachment.';

create function public.list_attachments(
  status text default null, kind text default null, lead_id bigint default null, sender text default null,
  code text default null, containing text default null, before bigint default null, max integer default 50
) returns jsonb
language plpgsql stable security invoker set search_path = '' set plan_cache_mode = force_custom_plan
-- Reading the whole table is never right here, whatever its statistics say.
set enable_seqscan = off as $$
declare
  -- So many rows a call, whatever is looked for (measured: 0.1 s); the next call goes on where this one stopped.
  bound constant integer := 20000;
  most_people constant integer := 200;
  page constant integer := mediaferry.page(list_attachments.max);
  wanted constant public.upload_status := list_attachments.status::public.upload_status;
  needle constant text := lower(list_attachments.containing);
  people bigint[];
  below bigint := coalesce(list_attachments.before, 9223372036854775807);
  batch integer := page + 1;
  scanned integer := 0;
  finished boolean := page = 0;
  ids bigint[];
  matched bigint[] := '{}';
begin
  if list_attachments.sender is not null then
    people := mediaferry.find_leads(list_attachments.sender, most_people);
  end if;
  if list_attachments.lead_id is not null then
    people := case when people is null or list_attachments.lead_id = any (people)
      then array[list_attachments.lead_id] else '{}' end;
  end if;

  while not finished and cardinality(matched) <= page and scanned < bound loop
    batch := least(batch, bound - scanned);
    ids := mediaferry.attachment_ids(people, list_attachments.code, wanted, below, batch);
    finished := cardinality(ids) < batch;
    scanned := scanned + cardinality(ids);
    below := coalesce(ids[cardinality(ids)], below);
    matched := matched || array(
      select a.id from public.attachments a
      where a.id = any (ids)
        and (wanted is null or a.upload_status = wanted)
        and (list_attachments.kind is null or a.kind = list_attachments.kind)
        and (list_attachments.code is null or a.error_code = list_attachments.code)
        and (
          needle is null
          or position(needle in lower(a.caption)) > 0
          or position(needle in lower(a.file_name)) > 0
        )
      order by a.id desc
    );
    batch := batch * 8;
  end loop;

  return jsonb_build_object(
    'rows', coalesce(
      (
        select jsonb_agg(mediaferry.attachment_row(a) order by a.id desc)
        from public.attachments a where a.id = any (matched[1:page])
      ),
      '[]'
    ),
    'next_before', case
      when cardinality(matched) > page then matched[page]
      when not finished then below
    end,
    'scanned', scanned,
    'people_cut', coalesce(cardinality(people) >= most_people, false)
  );
end
$$;
comment on function public.list_attachments(text, text, bigint, text, text, text, bigint, integer) is
  'Attachments, newest first, below the id before: by status, kind, lead, sender (phone, user id or part of the '
  'name), error code, and a text in caption or file name. A call looks at 20,000 rows at the most. Answers {"rows", '
  '"next_before": the id to go on below (null: that was all; with fewer rows than asked for: nothing more was found '
  'so far), "scanned", "people_cut": only the newest 200 matching senders were looked at}.';

create function public.attachment_story(id bigint, max integer default 200) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object(
    'attachment', (
      select mediaferry.attachment_row(a) || jsonb_build_object(
        'message_id', a.message_id, 'bucket', a.bucket, 'object_key', a.object_key, 'sha256', a.sha256,
        'verified', a.verified, 'claim_token', a.claim_token, 'lost_leases', a.lost_leases,
        'leased_by', a.leased_by, 'leased_until', a.leased_until, 'declared_mime_type', a.declared_mime_type,
        'phone_number_id', a.phone_number_id
      )
      from public.attachments a where a.id = attachment_story.id
    ),
    'events', coalesce(
      (
        select jsonb_agg(
          jsonb_build_object(
            'id', e.id, 'at', e.created_at, 'event', e.event, 'worker', e.worker, 'detail', e.detail
          )
          order by e.id
        )
        from (
          select s.* from public.system_events s
          where s.attachment_id = attachment_story.id
          order by s.id desc
          limit mediaferry.page(attachment_story.max)
        ) e
      ),
      '[]'
    )
  )
$$;
comment on function public.attachment_story(bigint, integer) is
  'One attachment and its newest events, oldest first: {"attachment": null when there is none, "events": [{id, at, '
  'event, worker, detail}]}.';

create function public.upload_activity() returns jsonb
language sql stable security invoker set search_path = '' as $$
  with uploaded as (
    select date_trunc('minute', a.uploaded_at) as minute, count(*) as files, sum(a.size_bytes) as bytes
    from public.attachments a
    where a.upload_status = 'UPLOADED' and a.uploaded_at >= date_trunc('minute', now()) - interval '59 minutes'
    group by 1
  ),
  unsuccessful as (
    select
      date_trunc('minute', e.created_at) as minute,
      count(*) filter (where e.event = 'failed') as failed,
      count(*) filter (where e.event = 'retry') as retried
    from public.system_events e
    where e.event in ('failed', 'retry') and e.created_at >= date_trunc('minute', now()) - interval '59 minutes'
    group by 1
  )
  select jsonb_build_object(
    'minutes', jsonb_agg(
      jsonb_build_object(
        'at', m.minute, 'uploaded', coalesce(u.files, 0), 'failed', coalesce(f.failed, 0),
        'retried', coalesce(f.retried, 0), 'bytes', coalesce(u.bytes, 0)
      )
      order by m.minute
    )
  )
  from generate_series(
    date_trunc('minute', now()) - interval '59 minutes', date_trunc('minute', now()), interval '1 minute'
  ) m (minute)
  left join uploaded u on u.minute = m.minute
  left join unsuccessful f on f.minute = m.minute
$$;
comment on function public.upload_activity() is
  'The last 60 minutes of all daemons, the running one included: {"minutes": [{at, uploaded, failed, retried, '
  'bytes}]}, oldest first. A failed try that will be repeated is retried.';

create function public.list_rejected(before bigint default null, max integer default 50) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with page as materialized (
    select
      r.id, r.reason, r.message_id, r.times, r.first_seen_at, r.last_seen_at, octet_length(r.payload) as size_bytes
    from public.rejected_payloads r
    where r.id < coalesce(list_rejected.before, 9223372036854775807)
    order by r.id desc
    limit mediaferry.page(list_rejected.max)
  )
  select jsonb_build_object(
    'rows', coalesce((select jsonb_agg(to_jsonb(p) order by p.id desc) from page p), '[]'),
    'next_before', (
      select last.id from (select min(p.id) as id from page p) last
      where exists (select from public.rejected_payloads r where r.id < last.id)
    )
  )
$$;
comment on function public.list_rejected(bigint, integer) is
  'Payloads that could not be taken in, newest first, without their bytes: {"rows": [{id, reason, message_id, times, '
  'first_seen_at, last_seen_at, size_bytes}], "next_before"}.';

revoke all on function
  mediaferry.find_leads(text, integer),
  mediaferry.attachment_ids(bigint[], text, public.upload_status, bigint, integer),
  mediaferry.attachment_row(public.attachments),
  public.list_attachments(text, text, bigint, text, text, text, bigint, integer),
  public.attachment_story(bigint, integer),
  public.upload_activity(),
  public.list_rejected(bigint, integer)
from public, anon, authenticated;
grant execute on function
  mediaferry.find_leads(text, integer),
  mediaferry.attachment_ids(bigint[], text, public.upload_status, bigint, integer),
  mediaferry.attachment_row(public.attachments),
  public.list_attachments(text, text, bigint, text, text, text, bigint, integer),
  public.attachment_story(bigint, integer),
  public.upload_activity(),
  public.list_rejected(bigint, integer)
to service_role;
