-- Writes down what is new for a webhook and moves its mark, in one statement: killed anywhere, it has done both or neither.
-- Two at once: the second waits for the mark's row, finds that it was moved after its own beginning, and does nothing.
-- A database that was restored from a dump counts transactions anew, and its mark is ahead of them: then what came after
-- the mark was moved is looked through by its time. What was found already is known by its key.
with mark as materialized (
    select name, snapshot, at, pg_snapshot_xmax(snapshot) > pg_snapshot_xmax(pg_current_snapshot()) as restored
    from webhook where name = %(name)s and at < now() for update
), fresh as materialized (
    select fresh.* from mark, lateral webhook_fresh(
        case when restored then '1:1:' else snapshot end, case when restored then mark.at else '-infinity' end) as fresh
    where what = any (%(events)s::text[])
), written as (
    insert into webhook_call (webhook, run_id, what, occasion, at, content)
    select %(name)s, run.id, what, occasion, fresh.at, jsonb_build_object(
        'run_id', run.id, 'source', run.source, 'source_id', run.source_id, 'kind', run.report_kind,
        'reason', left(fresh.reason, 300),
        'ticket', (select remote_url from effect where effect.run_id = run.id and effect.stage = 'create_ticket'
            and effect.state = 'confirmed' limit 1))
    from fresh join run on run.id = fresh.run_id
    on conflict do nothing
    returning 1
), moved as (
    update webhook set snapshot = pg_current_snapshot(), at = clock_timestamp() from mark where webhook.name = mark.name
)
select count(*) as found from written
