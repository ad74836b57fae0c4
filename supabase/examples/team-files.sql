-- An example, to be copied into a migration of your own: the people of your team read what arrived, in your own
-- application, with their own sign-in. Nobody else can, and nobody can write.

create table public.team_members (
  user_id uuid primary key references auth.users (id) on delete cascade
);
alter table public.team_members enable row level security;
grant select on public.team_members to authenticated;
create policy "members see themselves" on public.team_members
  for select to authenticated using (user_id = (select auth.uid()));

-- Only the columns that people are meant to see: leases and tokens stay mediaferry's.
grant select (
  id, lead_id, kind, caption, file_name, sent_at, expires_at, upload_status, error_code,
  content_type, size_bytes, uploaded_at, bucket, object_key
) on public.attachments to authenticated;
grant select (id, phone, profile_name) on public.leads to authenticated;

create policy "the team reads attachments" on public.attachments
  for select to authenticated
  using (exists (select from public.team_members m where m.user_id = (select auth.uid())));
create policy "the team reads leads" on public.leads
  for select to authenticated
  using (exists (select from public.team_members m where m.user_id = (select auth.uid())));
-- For createSignedUrl() and download() with the person's own session.
create policy "the team reads files" on storage.objects
  for select to authenticated
  using (
    bucket_id = 'attachments'
    and exists (select from public.team_members m where m.user_id = (select auth.uid()))
  );

-- security_invoker: the view shows a person what the policies show that person, and no more.
create view public.received_files with (security_invoker = true) as
select
  a.id, a.lead_id, l.profile_name, l.phone, a.kind, a.caption, a.file_name, a.sent_at, a.uploaded_at,
  a.content_type, a.size_bytes, a.bucket, a.object_key
from public.attachments a
left join public.leads l on l.id = a.lead_id
where a.upload_status = 'UPLOADED';
revoke all on public.received_files from anon, authenticated;
grant select on public.received_files to authenticated;
