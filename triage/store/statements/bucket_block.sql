-- Nobody takes from this bucket for a while: the other system asked for it.
insert into bucket (name, level, blocked_until) values (%(name)s, 0, now() + %(wait)s)
on conflict (name) do update set blocked_until = greatest(bucket.blocked_until, excluded.blocked_until)
