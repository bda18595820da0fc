-- Takes one call out of a shared token bucket, or says how long until one is there. A bucket is full when it is first used.
-- Repeated after a broken connection it may take two: that only waits longer.
with first as (
    insert into bucket (name, level) values (%(name)s, %(calls)s - 1) on conflict do nothing
), old as (
    select *, clock_timestamp() as t from bucket where name = %(name)s for update
), filled as (
    select least(%(calls)s, level + greatest(extract(epoch from t - at), 0) * %(calls)s / %(seconds)s) as level, t,
        greatest(blocked_until - t, interval '0') as blocked
    from old
), taken as (
    update bucket set at = filled.t,
        level = filled.level - (filled.level >= 1 and coalesce(filled.blocked, interval '0') = interval '0')::int
    from filled where name = %(name)s
)
select greatest(blocked, make_interval(secs => greatest(1 - level, 0) * %(seconds)s / %(calls)s)) as wait from filled
