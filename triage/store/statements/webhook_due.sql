-- What is to be told now, in the order in which it happened.
select run_id, what, occasion, at, content, attempts from webhook_call
where webhook = %(name)s and state = 'waiting' and due <= now()
order by at, run_id limit %(limit)s
