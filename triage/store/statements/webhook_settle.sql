-- Saves what came of telling it, once for each number of attempts: repeated, it changes nothing.
update webhook_call set
    state = %(state)s, attempts = attempts + 1, due = now() + %(wait)s, error = %(error)s, changed_at = now()
where webhook = %(name)s and run_id = %(run_id)s and what = %(what)s and occasion = %(occasion)s
    and state = 'waiting' and attempts = %(attempts)s
