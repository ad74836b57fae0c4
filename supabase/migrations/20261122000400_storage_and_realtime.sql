-- What the platform holds for us: the private bucket, and the tables that Realtime announces.

-- No MIME allow-list: Storage matches types exactly, so that "audio/ogg; codecs=opus" would be refused, and a
-- business wants whatever its customers sent. 104,857,600 bytes is WhatsApp's own cap for inbound media.
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('attachments', 'attachments', false, 104857600, null)
on conflict (id) do update
set public = false, file_size_limit = excluded.file_size_limit, allowed_mime_types = null;

-- The publication is the platform's. It may be missing on a bare database, or announce all tables already.
do $$
declare
  wanted text;
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
  foreach wanted in array array['attachments', 'realtime_canary'] loop
    if not exists (
      select from pg_catalog.pg_publication_tables
      where pubname = 'supabase_realtime' and schemaname = 'public' and tablename = wanted
    ) then
      execute format('alter publication supabase_realtime add table public.%I', wanted);
    end if;
  end loop;
end
$$;
