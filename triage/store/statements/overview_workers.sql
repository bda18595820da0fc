-- The processes that were seen in time.
select name, pid, stages, started_at, seen_at from process where process_alive(id, %(ttl)s) order by name
