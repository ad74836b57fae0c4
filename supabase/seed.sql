-- A few people for a local project, so that lists are not empty before the first message.
-- One is known by both identities, one by the phone alone, one by the business-scoped user id alone.
insert into public.leads (user_id, phone, profile_name)
values
  ('DE.9913491208655302741918', '491700000001', 'Ada Lovelace'),
  (null, '491700000002', 'Grace Hopper'),
  ('US.1349120865530274191899', null, 'Katherine Johnson')
on conflict do nothing;
