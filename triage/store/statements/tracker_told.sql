-- Which runs' tickets these keys made, what was decided about them, and what the tracker said of them last, if anything.
-- `whole` is whether the tracker took priority and type as they were filed: else its own stand there, and nobody's word.
select encode(effect.key, 'hex') as key, effect.run_id, decision.kind, decision.severity,
    (select value from correction where run_id = effect.run_id and field = 'kind' and origin = 'tracker'
        order by number desc limit 1) as told_kind,
    (select value from correction where run_id = effect.run_id and field = 'severity' and origin = 'tracker'
        order by number desc limit 1) as told_severity,
    not exists (select from unnest(effect.dropped) as lost where lost ~ '^(priority|tracker) ') as whole
from effect join decision using (run_id)
where effect.key = any(%(keys)s) and effect.stage = 'create_ticket' and effect.state = 'confirmed'
