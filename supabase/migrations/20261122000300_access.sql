-- Who may do what: service_role works, anon and authenticated have no door at all. Named table by table, because
-- the project is the team's own and its other tables are none of our business.

alter table public.leads enable row level security;
alter table public.attachments enable row level security;
alter table public.processed_messages enable row level security;
alter table public.rejected_payloads enable row level security;
alter table public.system_events enable row level security;
alter table public.pipeline_control enable row level security;
alter table public.realtime_canary enable row level security;
alter table mediaferry.forgotten_messages enable row level security;
alter table mediaferry.forget_key enable row level security;

-- Hosted projects grant everything on new tables to all three roles by default.
revoke all on table
  public.leads, public.attachments, public.processed_messages, public.rejected_payloads, public.system_events,
  public.pipeline_control, public.realtime_canary, mediaferry.forgotten_messages, mediaferry.forget_key
from public, anon, authenticated, service_role;
revoke all on sequence
  public.leads_id_seq, public.attachments_id_seq, public.rejected_payloads_id_seq, public.system_events_id_seq
from public, anon, authenticated, service_role;

grant select, insert, update, delete on table
  public.leads, public.attachments, public.processed_messages, public.rejected_payloads, public.realtime_canary
to service_role;
-- Append-only: an event is never rewritten, only removed with its attachment or by age.
grant select, insert, delete on table public.system_events, mediaferry.forgotten_messages to service_role;
grant select, update on table public.pipeline_control to service_role;
grant select on table mediaferry.forget_key to service_role;
