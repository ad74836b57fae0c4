-- An example, to be copied into a migration of your own: a list of the files that arrived and that your application
-- has not dealt with yet. The row is written in the transaction that makes the file UPLOADED, so none is missed,
-- whether your application runs at that moment or not. It deletes the row when it is done.

create table public.arrivals (
  attachment_id bigint primary key references public.attachments (id) on delete cascade,
  arrived_at timestamptz not null default now()
);
alter table public.arrivals enable row level security;
revoke all on public.arrivals from anon, authenticated;
grant select, insert, delete on public.arrivals to service_role;

create function public.note_arrival() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- Keep it this short: it runs while mediaferry settles.
  insert into public.arrivals (attachment_id) values (new.id) on conflict do nothing;
  return null;
end
$$;
revoke all on function public.note_arrival() from public, anon, authenticated;

create trigger attachments_note_arrival after update of upload_status on public.attachments
  for each row when (old.upload_status <> 'UPLOADED' and new.upload_status = 'UPLOADED')
  execute function public.note_arrival();

-- The wake-up. A database webhook (Dashboard, Database, Webhooks) on INSERT of this table does as well.
alter publication supabase_realtime add table public.arrivals;
