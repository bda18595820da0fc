-- Keeps what a candidate said of a run. Of two attempts the later one counts, whichever is saved last.
-- Repeated after a broken connection it writes the same again.
insert into candidate_decision (run_id, candidate, fence, was, content, agreed, cost, seconds, error)
values (%(run_id)s, %(candidate)s, %(fence)s, %(was)s, %(content)s, %(agreed)s, %(cost)s, %(seconds)s, %(error)s)
on conflict (run_id, candidate) do update set
    fence = excluded.fence, was = excluded.was, content = excluded.content, agreed = excluded.agreed, cost = excluded.cost,
    seconds = excluded.seconds, error = excluded.error, made_at = excluded.made_at
where candidate_decision.fence <= excluded.fence
