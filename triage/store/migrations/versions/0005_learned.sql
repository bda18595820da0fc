-- Learned models with their versions, and what people corrected.

-- A model in the format of decide/learned/fileformat.py. Its words are those of reports: it is as confidential as they are.
create table model (
    version text primary key check (version ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    content bytea not null check (octet_length(content) between 1 and 67108864),
    numbers jsonb not null check (jsonb_typeof(numbers) = 'object'),
    made_at timestamptz not null default now(),
    made_by text not null check (char_length(made_by) between 1 and 200)
);
alter table model alter content set storage external;  -- floating point numbers do not shrink

-- Which model is in use, and how that came. Append-only, numbered without gaps: whoever changes it adds the next number, so
-- of two who do so at once one fails and looks again. The last row counts: `in_use` is null while no stored model is.
-- A roll-back makes `in_use` what it was in the row `back_to`, and goes on from there: a second one goes back further.
create table model_use (
    number integer primary key check (number >= 1),
    what text not null check (what in ('used', 'rolled back', 'removed')),
    version text,
    in_use text,
    back_to integer references model_use,
    by_whom text not null check (char_length(by_whom) between 1 and 200),
    why text not null default '' check (char_length(why) <= 1000),
    at timestamptz not null default now(),
    check (what = 'rolled back' or version is not null),
    check (what = 'removed' or in_use is not distinct from version),
    check (back_to < number)
);

-- What people say that a decision should have been. Append-only: the last one of a run's field stands. Numbered for each
-- field, so that two who say the same at once are counted once.
create table correction (
    id bigint generated always as identity primary key,
    run_id uuid not null references run,
    field text not null check (field in ('kind', 'severity', 'component', 'route')),
    number smallint not null check (number >= 1),
    value text not null check (char_length(value) <= 200 and (value <> '' or field = 'component')),
    by_whom text not null check (char_length(by_whom) between 1 and 200),
    origin text not null check (origin in ('person', 'tracker')),
    at timestamptz not null default now(),
    unique (run_id, field, number)
);
create view standing_correction as
    select distinct on (run_id, field) * from correction order by run_id, field, number desc;
