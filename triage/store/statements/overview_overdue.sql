-- Runs that are not finished though their time is over, whoever they wait for; counted no further than `crowd`.
select count(*) as overdue from (
    (select from run where status = 'active' and created_at < now() - %(within)s::interval limit %(crowd)s)
    union all
    (select from run where status = 'held' and created_at < now() - %(within)s::interval limit %(crowd)s)
) late
