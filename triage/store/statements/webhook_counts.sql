-- How much waits, was told and was given up for each webhook, and the last error of what waits or was given up.
select webhook.name,
    count(*) filter (where state = 'waiting') as waiting,
    count(*) filter (where state = 'told') as told,
    count(*) filter (where state = 'given_up') as given_up,
    min(call.at) filter (where state = 'waiting') as oldest,
    (array_agg(error order by changed_at desc) filter (where error is not null and state <> 'told'))[1] as error
from webhook left join webhook_call as call on call.webhook = webhook.name
group by webhook.name order by webhook.name
