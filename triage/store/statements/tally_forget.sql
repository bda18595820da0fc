-- Old minutes are in their hours as well, and old hours in what was added up since ever.
delete from tally
where (grain = 'minute' and at < now() - %(minutes)s::interval) or (grain = 'hour' and at < now() - %(hours)s::interval)
