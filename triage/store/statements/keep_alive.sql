-- Renews this process's row; also brings it back after others had held it for dead. Losing the commit is harmless.
with async as materialized (
    select set_config('synchronous_commit', 'off', true)
)
insert into process (id, name, pid, stages)
select %(process_id)s, %(name)s, %(pid)s, %(stages)s from async
on conflict (id) do update set seen_at = now()
