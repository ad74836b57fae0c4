-- The tables of mediaferry, but for the attachments themselves, which have a file of their own.

-- Helpers that no client calls. Not among the schemas of the Data API.
create schema mediaferry;
comment on schema mediaferry is 'Internal helpers of mediaferry; not exposed through the Data API.';
revoke all on schema mediaferry from public;
grant usage on schema mediaferry to service_role;

-- Identities and ids are bounded in bytes, because a btree entry is (2,704 bytes) and its refusal, SQLSTATE 54000,
-- would abort a whole delivery where a check violation rejects one message.
create table public.leads (
  id bigint generated always as identity primary key,
  user_id text unique check (octet_length(user_id) between 1 and 256),
  phone text unique check (octet_length(phone) between 1 and 64),
  profile_name text,
  phone_seen_at timestamptz not null default now(),
  forget_after timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint leads_has_identity check (user_id is not null or phone is not null or forget_after is not null)
);
comment on table public.leads is 'Who sends: one row for each person, known by a user id, a phone or both.';
comment on column public.leads.user_id is
  'Business-scoped user id (CC.<alphanumerics>). Two different ones are never merged.';
comment on column public.leads.phone is 'wa_id: the phone number as WhatsApp writes it, digits only.';
comment on column public.leads.phone_seen_at is
  'The newest message, to the hour, that showed this phone with this person: a message that arrives a week late '
  'does not take a phone back from whoever has it now.';
comment on column public.leads.forget_after is
  'Set while the lead is being forgotten: no live transfer of its files can last beyond this moment.';

create table public.processed_messages (
  message_id text primary key check (octet_length(message_id) between 1 and 1000),
  lead_id bigint references public.leads (id) on delete set null,
  processed_at timestamptz not null default now()
);
comment on table public.processed_messages is
  'Every message that was taken in, with media or without: a second delivery of it changes nothing.';
comment on column public.processed_messages.lead_id is
  'So that a forgotten lead''s message ids, which contain the phone number, can be found.';
create index processed_messages_lead on public.processed_messages (lead_id);
create index processed_messages_age on public.processed_messages (processed_at);

create table public.rejected_payloads (
  id bigint generated always as identity primary key,
  reason text not null check (char_length(reason) <= 500),
  message_id text,
  phone_number_id text,
  payload bytea not null,
  payload_sha256 bytea not null unique generated always as (sha256(payload)) stored,
  times integer not null default 1,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
comment on table public.rejected_payloads is
  'Signed content that could not be taken in, kept as it came, to be looked at and processed again.';
comment on column public.rejected_payloads.payload is 'One message''s JSON text, or the whole body.';
comment on column public.rejected_payloads.times is 'Deliveries of these very bytes: a redelivery adds no row.';
create index rejected_payloads_age on public.rejected_payloads (last_seen_at);

create table public.pipeline_control (
  singleton boolean primary key default true check (singleton),
  paused boolean not null default false,
  changed_by text,
  reason text,
  changed_at timestamptz not null default now()
);
comment on table public.pipeline_control is 'One row: whether claims are given out, who decided that, and why.';
insert into public.pipeline_control default values;

create table public.realtime_canary (
  worker text primary key check (octet_length(worker) between 1 and 256),
  beat bigint not null default 1,
  state text not null,
  circuits jsonb not null default '{}',
  version text not null,
  last_seen timestamptz not null default now()
);
comment on table public.realtime_canary is
  'One row for each daemon, written on purpose to come back through Realtime, and read by every dashboard.';
comment on column public.realtime_canary.beat is 'Grows with every beat; the event must come back with it.';
comment on column public.realtime_canary.last_seen is 'Rows not seen for a day are removed.';

create table mediaferry.forgotten_messages (
  message_hash bytea primary key check (octet_length(message_hash) = 32),
  forgotten_at timestamptz not null default now()
);
comment on table mediaferry.forgotten_messages is
  'sha256(key || wamid) of each message of a forgotten lead, and sha256(key || bytes) of each rejected payload that '
  'mentioned it: a late redelivery is ignored, and whoever has this table alone can read nothing from it (a wamid '
  'contains the phone number). `prune` removes them with the processed message ids.';
create index forgotten_messages_age on mediaferry.forgotten_messages (forgotten_at);

create table mediaferry.forget_key (
  singleton boolean primary key default true check (singleton),
  -- Two version 4 UUIDs: 244 bits of the server's strong random source, without an extension.
  key bytea not null default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);
comment on table mediaferry.forget_key is 'One row: the key of the hashes in forgotten_messages.';
insert into mediaferry.forget_key default values;
