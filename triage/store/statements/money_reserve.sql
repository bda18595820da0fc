-- Reserves the most that an ask of a model can cost, or says why not; the function tells how no limit can be passed.
-- Repeated after a broken connection it finds its own reservation. If the first try is still under way then, this may find
-- no room beside it and refuse: what the first one reserved stays counted as spent.
select verdict, answer from money_reserve(%(reservation_id)s, %(run_id)s, %(claim_id)s, %(fence)s, %(model)s, %(prompt)s,
    %(question)s, %(amount)s, %(lifetime)s, %(limits)s::bigint[], %(alone)s)
