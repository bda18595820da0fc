-- Two objects with one key: told once, and again when there are more.
insert into duplicate (tool, key, remote_ids) values (%(tool)s, %(key)s, %(remote_ids)s)
on conflict (tool, key) do update set remote_ids = excluded.remote_ids
    where duplicate.remote_ids <> excluded.remote_ids
returning tool
