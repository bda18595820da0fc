-- Puts what an ask really cost in the place of what was reserved for it, with its answer; also long after it expired.
-- Only the first settlement counts. Repeated after a broken connection it finds it settled and answers as the first time.
with settled as (
    update reservation set
        settled_at = now(), model = %(model)s, spent = %(spent)s, requests = %(requests)s,
        input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
        cached_tokens = %(cached_tokens)s, reasoning_tokens = %(reasoning_tokens)s, answer = %(answer)s
    where id = %(reservation_id)s and settled_at is null
    returning source, reporter, day, spent - reserved as difference
), counted as materialized (
    select money_count(source, day, difference, reporter) from settled
)
select true as settled from counted
union all
select true from reservation where id = %(reservation_id)s and settled_at is not null
