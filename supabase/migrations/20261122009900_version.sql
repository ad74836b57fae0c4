-- Which migrations these are, and whether they are still as they were made. Every later migration replaces
-- mediaferry_schema() with the next number, and src/database/schema-version.ts says the same one.

create function public.mediaferry_schema() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object('version', 2)
$$;
comment on function public.mediaferry_schema() is
  'Which migrations are applied: {"version": 2}. Version 1 had no such function.';

-- What only the catalog knows, and the Data API does not show. The names are the caller's, because the public schema
-- is the team's own and holds other tables and functions too.
create function public.mediaferry_checkup(tables text[], functions text[]) returns jsonb
language sql stable security invoker set search_path = '' as $$
  with named as (
    select p.oid, p.proname::text as name
    from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname::text = any (mediaferry_checkup.functions)
      or p.pronamespace = 'mediaferry'::regnamespace and p.prorettype <> 'trigger'::regtype
  ),
  lists as (
    select
      array(
        select wanted.name from unnest(mediaferry_checkup.functions) wanted (name)
        where not exists (
          select from pg_catalog.pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname = wanted.name
        )
        order by 1
      ) as missing_functions,
      array(
        select n.name from named n where not has_function_privilege('service_role', n.oid, 'execute') order by 1
      ) as closed_functions,
      array(
        select n.name from named n
        where has_function_privilege('anon', n.oid, 'execute')
          or has_function_privilege('authenticated', n.oid, 'execute')
        order by 1
      ) as open_functions,
      array(
        select c.relname::text from pg_catalog.pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity
          and c.relname::text = any (mediaferry_checkup.tables)
        order by 1
      ) as open_tables,
      array(
        select t.tablename::text from pg_catalog.pg_publication_tables t
        where t.pubname = 'supabase_realtime' and t.schemaname = 'public'
          and t.tablename::text = any (mediaferry_checkup.tables)
        order by 1
      ) as announced_tables
  )
  select to_jsonb(l) || jsonb_build_object('now', clock_timestamp()) from lists l
$$;
comment on function public.mediaferry_checkup(text[], text[]) is
  'For `mediaferry doctor`: of the named tables and functions, {"missing_functions", "closed_functions" (service_role '
  'may not call them), "open_functions" (anon or authenticated may), "open_tables" (without row level security), '
  '"announced_tables" (in the publication of Realtime), "now" (the database''s clock)}.';

revoke all on function public.mediaferry_schema(), public.mediaferry_checkup(text[], text[])
from public, anon, authenticated;
grant execute on function public.mediaferry_schema(), public.mediaferry_checkup(text[], text[]) to service_role;
