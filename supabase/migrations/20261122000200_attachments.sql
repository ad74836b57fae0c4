-- The row in `attachments` is the truth about a file; everything else is how the row came to be, who works on it, and
-- what happened to it.

create type public.upload_status as enum ('PENDING', 'UPLOADING', 'UPLOADED', 'FAILED');
comment on type public.upload_status is
  'PENDING waits until next_attempt_at; UPLOADING is claimed, or was claimed by a worker that is gone; '
  'UPLOADED is stored, whole and checked; FAILED needs the operator.';

-- The checks are evaluated at each update, and prepared anew for each statement (all of them: 0.1 ms). So a hash is
-- looked at by its length and for what must not be in it, 0.8 µs, where '^[0-9a-f]{64}$' costs 11.
create table public.attachments (
  id bigint generated always as identity primary key,
  lead_id bigint references public.leads (id) on delete set null,
  message_id text not null check (octet_length(message_id) between 1 and 1000),
  whatsapp_media_id text check (octet_length(whatsapp_media_id) between 1 and 1000),
  phone_number_id text not null check (octet_length(phone_number_id) between 1 and 256),
  kind text check (kind in ('image', 'video', 'audio', 'document', 'sticker')),
  caption text,
  file_name text,
  voice boolean,
  animated boolean,
  declared_mime_type text,
  declared_sha256 text check (octet_length(declared_sha256) = 64 and declared_sha256 !~ '[^0-9a-f]'),
  sent_at timestamptz not null check (isfinite(sent_at)),
  expires_at timestamptz not null check (isfinite(expires_at)),
  upload_status public.upload_status not null default 'PENDING',
  upload_attempts integer not null default 0,
  max_attempts integer not null default 5 check (max_attempts between 1 and 1000),
  next_attempt_at timestamptz not null default now(),
  claim_token bigint not null default 0 check (claim_token >= 0),
  lost_leases integer not null default 0 check (lost_leases >= 0),
  leased_by text,
  leased_until timestamptz,
  bucket text not null default 'attachments' check (bucket <> ''),
  object_prefix text not null check (object_prefix ~ '^([1-9][0-9]*|unassigned)$'),
  object_key text,
  content_type text,
  size_bytes bigint check (size_bytes >= 0),
  sha256 text check (octet_length(sha256) = 64 and sha256 !~ '[^0-9a-f]'),
  verified boolean not null default false,
  uploaded_at timestamptz,
  error_code text check (error_code <> ''),
  error_message text check (char_length(error_message) <= 500),
  created_xid xid8 not null default pg_current_xact_id(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),

  -- A redelivered webhook adds nothing, also for a message without a media id.
  constraint attachments_once unique nulls not distinct (message_id, whatsapp_media_id),

  -- An open row has an attempt left, so that settling it can never exceed the limit.
  constraint attachments_attempts check (
    upload_attempts >= 0
    and upload_attempts <= max_attempts
    and (upload_status in ('UPLOADED', 'FAILED') or upload_attempts < max_attempts)
  ),

  -- Without a media id there is nothing to fetch: such a row is FAILED from the start.
  constraint attachments_open_has_media check (
    upload_status not in ('PENDING', 'UPLOADING') or whatsapp_media_id is not null
  ),

  -- Only UPLOADING carries a lease. The reverse is not demanded: an UPLOADING row without one is a claim that was
  -- released or damaged, and the next claim recovers it.
  constraint attachments_lease check (
    upload_status = 'UPLOADING' or (leased_by is null and leased_until is null)
  ),

  constraint attachments_uploaded_whole check (
    case upload_status
      when 'UPLOADED' then
        object_key is not null and content_type is not null and size_bytes is not null
        and sha256 is not null and uploaded_at is not null and error_code is null and error_message is null
      else
        object_key is null and content_type is null and size_bytes is null
        and sha256 is null and uploaded_at is null and not verified
    end
  ),

  constraint attachments_failed_says_why check (upload_status <> 'FAILED' or error_code is not null),

  -- The key of one of this row's own claims, in safe segments; never another row's object.
  constraint attachments_own_key check (
    starts_with(object_key, object_prefix || '/' || id::text || '-') and object_key ~ '^[A-Za-z0-9_./-]+$'
    and object_key !~ '(^|/)\.{0,2}(/|$)'
  )
);
comment on table public.attachments is 'One row for each file that somebody sent; the truth about where it is.';
comment on column public.attachments.lead_id is 'Null when the message named nobody, or the lead was deleted.';
comment on column public.attachments.message_id is 'The wamid.';
comment on column public.attachments.phone_number_id is
  'The business number that received it; asked for by the neutral probe of WhatsApp.';
comment on column public.attachments.voice is 'Audio: recorded as a voice note.';
comment on column public.attachments.animated is 'Sticker: animated.';
comment on column public.attachments.declared_sha256 is 'From the webhook, normalised to 64 hex digits.';
comment on column public.attachments.sent_at is 'The message''s own timestamp.';
comment on column public.attachments.expires_at is
  'sent_at + 7 days, when Meta deletes the file. A row past it is still asked for once.';
comment on column public.attachments.upload_attempts is
  'Attempts that were the attachment''s own: outages, shutdowns and lost leases are not among them.';
comment on column public.attachments.max_attempts is 'Set at ingest; the attempt that reaches it is the last.';
comment on column public.attachments.next_attempt_at is 'When a PENDING row is due.';
comment on column public.attachments.claim_token is
  'The fencing token: grows by one with every claim and never goes back.';
comment on column public.attachments.lost_leases is
  'Claims that ended with a dead worker. From two the row is claimed alone and after a pause, at five it is FAILED as '
  'worker_lost.';
comment on column public.attachments.leased_by is 'The worker that holds the claim, or held it when it died.';
comment on column public.attachments.leased_until is
  'By the database''s clock. UPLOADING with null: the claim was released and already counted as lost.';
comment on column public.attachments.object_prefix is
  'Set at ingest and never changed, also when leads are merged: <lead id> or "unassigned".';
comment on column public.attachments.object_key is '<object_prefix>/<id>-<claim token>.<extension>.';
comment on column public.attachments.content_type is 'What Storage serves it as.';
comment on column public.attachments.sha256 is 'Of the bytes that were stored; 64 hex digits.';
comment on column public.attachments.verified is 'True when a declared hash was there and matched.';
comment on column public.attachments.error_code is
  'Why it FAILED; on a PENDING row why the last try did not end in an object.';
comment on column public.attachments.created_xid is
  'The transaction that inserted the row: the first half of the catch-up cursor, compared with the horizon.';

create function mediaferry.refuse_attachment_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'attachment %: % may not change like that', old.id, tg_argv[0]
    using errcode = 'integrity_constraint_violation';
end
$$;
revoke all on function mediaferry.refuse_attachment_change() from public, anon, authenticated;

-- The conditions stand in WHEN, so that an ordinary update never calls the function, and a statement that does not
-- set the column never looks at the condition.
create trigger attachments_token_never_back before update of claim_token on public.attachments
  for each row when (new.claim_token < old.claim_token)
  execute function mediaferry.refuse_attachment_change('claim_token');
create trigger attachments_prefix_fixed before update of object_prefix, created_xid on public.attachments
  for each row when (new.object_prefix <> old.object_prefix or new.created_xid <> old.created_xid)
  execute function mediaferry.refuse_attachment_change('object_prefix or created_xid');

-- Open rows only: these indexes stay as small as the backlog, however many files have been settled. A claim writes six
-- indexes and a settlement five, 3 µs each; so there is none by worker, whose few rows are found among the UPLOADING.
create index attachments_pending_due on public.attachments (next_attempt_at, id) where upload_status = 'PENDING';
create index attachments_pending_expiring on public.attachments (expires_at, next_attempt_at)
  where upload_status = 'PENDING';
create index attachments_uploading_lease on public.attachments (coalesce(leased_until, '-infinity'::timestamptz))
  where upload_status = 'UPLOADING' and lost_leases + (leased_until is not null)::integer < 2;
create index attachments_uploading_suspects on public.attachments (
  (lost_leases + (leased_until is not null)::integer), coalesce(leased_until, updated_at), id
)
  where upload_status = 'UPLOADING' and lost_leases + (leased_until is not null)::integer >= 2;
create index attachments_pending_suspects on public.attachments (next_attempt_at, id)
  where upload_status = 'PENDING' and lost_leases >= 2;
create index attachments_failed on public.attachments (error_code, id) where upload_status = 'FAILED';
create index attachments_uploaded on public.attachments (uploaded_at) where upload_status = 'UPLOADED';
create index attachments_lead on public.attachments (lead_id, id);
create index attachments_cursor on public.attachments (created_xid, id);

-- FAILED, PENDING and UPLOADING are few beside UPLOADED; the newest UPLOADED are found through the primary key.
create index attachments_not_uploaded on public.attachments (upload_status, id) where upload_status <> 'UPLOADED';
-- Also the PENDING rows that wait after a failed try.
create index attachments_error on public.attachments (error_code, id) where error_code is not null;

create table public.system_events (
  id bigint generated always as identity primary key,
  attachment_id bigint references public.attachments (id) on delete cascade,
  worker text,
  event text not null check (char_length(event) between 1 and 100),
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  created_at timestamptz not null default now()
);
comment on table public.system_events is
  'The append-only story of each attachment; without an attachment, of leads, circuits, daemons and operators.';
comment on column public.system_events.detail is
  'Never a message id, phone or user id: forgetting a lead must not have to search the story.';
create index system_events_attachment on public.system_events (attachment_id, id);
create index system_events_general on public.system_events (id) where attachment_id is null;
create index system_events_age on public.system_events (created_at);
create index system_events_unsuccessful on public.system_events (created_at) where event in ('failed', 'retry');
create index system_events_alerts on public.system_events ((detail ->> 'alert'), created_at) where event = 'alert';
