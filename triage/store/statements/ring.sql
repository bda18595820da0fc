-- Chooses which runs are rung next, at most `room` for each checkpoint's queue: by priority, then in turns between sources,
-- then by age. A rung run is not chosen again until a growing interval has passed. Losing the commit rings twice: harmless.
-- The recursion walks the index from one (priority, source) to the next, so a long backlog of one source is not read.
with recursive async as materialized (
    select set_config('synchronous_commit', 'off', true)
), lane (rank, source) as (
    (select -priority, source from run, async where status = 'active' order by -priority, source limit 1)
    union all
    select following.rank, following.source from lane, lateral (
        select -run.priority as rank, run.source from run
        where status = 'active' and (-run.priority, run.source) > (lane.rank, lane.source)
        order by -run.priority, run.source limit 1
    ) following
), room (checkpoint, places) as (
    select * from unnest(%(checkpoints)s::text[], %(places)s::int[])
), candidate as (
    select lane.rank, waiting.*, row_number() over (partition by lane.rank, lane.source order by ring_at) as turn
    from lane, lateral (
        select id, checkpoint, ring_at from run join room using (checkpoint)
        where status = 'active' and -run.priority = lane.rank and run.source = lane.source and ring_at <= now()
            and (claim_id is null or claim_until <= now()
                or not exists (select from process where process.id = run.claimed_by))
        order by ring_at limit (select max(places) from room)
    ) waiting
), ranked as (
    select id, checkpoint, rank, turn,
        row_number() over (partition by checkpoint order by rank, turn, ring_at) as place
    from candidate
), chosen as (
    select ranked.* from ranked join room using (checkpoint) where place <= places
), locked as (
    select run.id, chosen.rank, chosen.turn from run join chosen using (id)
    where run.status = 'active' and run.ring_at <= now() for update of run skip locked
), rung as (
    update run set rings = least(rings + 1, 100), ring_at = now() + least(%(interval)s * power(2, least(run.rings, 10)), %(longest)s)
    from locked where run.id = locked.id
    returning run.id, run.checkpoint, run.trace, run.created_at, locked.rank, locked.turn
), counted as (
    update relay set rung = relay.rung + (select count(*) from rung) where exists (select from rung)
)
select id, checkpoint, created_at < now() - %(fresh)s::interval as late,
    coalesce(trace, (select attempt.trace from attempt where run_id = rung.id order by fence desc limit 1)) as trace
from rung order by rank, turn
