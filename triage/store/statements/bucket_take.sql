-- Takes one call out of a shared token bucket, or says how long until one is there. A bucket is full when it is first used.
-- One insert or update, so that callers come one after the other from the very first on.
-- Repeated after a broken connection it may take two: that only waits longer.
insert into bucket as b (name, level, granted) values (%(name)s, %(calls)s - 1, true)
on conflict (name) do update set (level, at, granted) = (
    select filled - may::int, t, may from (
        select filled, t, filled >= 1 and coalesce(b.blocked_until <= t, true) as may from (
            select t, least(%(calls)s,
                b.level + greatest(extract(epoch from t - b.at), 0) * %(calls)s / %(seconds)s) as filled
            from (select clock_timestamp() as t) as moment
        ) as full_by_now
    ) as judged
)
returning case when granted then interval '0' else greatest(
    b.blocked_until - clock_timestamp(), make_interval(secs => greatest(1 - level, 0) * %(seconds)s / %(calls)s)) end as wait
