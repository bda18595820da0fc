"""The tables of stages and moves agree with each other and with the database."""

from itertools import pairwise, product

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import exc

from tests.support.databases import query, value
from tests.support.site import report
from triage import pipeline
from triage.model import Checkpoint, EffectState, Stage
from triage.store.database import Database
from triage.store.postgres import PostgresStore

PLANNED = """
insert into effect (key, run_id, stage, tool, target, tool_class, timeout, quarantine, content,
    claim_id, sent_at, deadline, not_before, remote_id, error)
select sha256(id::text::bytea), id, 'notify', 'tool', 'target', 'keyed', '1 s', '1 s', '{}',
    gen_random_uuid(), now(), now(), now(), 'T-1', 'refused' from run
"""
pairs = [pair for pair in product(EffectState, EffectState) if pair[0] != pair[1]]


def allowed_by_database(database: Database, before: EffectState, after: EffectState) -> bool:
    """Whether the database lets an effect with every column filled go from one state to the other."""
    query(database, "alter table effect disable trigger effect_move")
    query(database, "update effect set state = %s", before)
    query(database, "alter table effect enable trigger effect_move")
    try:
        query(database, "update effect set state = %s", after)
    except exc.IntegrityError as error:
        return not isinstance(error.orig, psycopg.errors.CheckViolation)
    return True


def test_the_database_allows_exactly_the_moves_of_the_table(database: Database) -> None:
    """Of all pairs of states the trigger lets pass those that `EFFECT_MOVES` has, and no others."""
    PostgresStore(database).submit_many([report()], None)
    query(database, PLANNED)
    allowed = {pair for pair in pairs if allowed_by_database(database, *pair)}
    assert allowed == {pair for pair in pairs if pair[1] in pipeline.EFFECT_MOVES[pair[0]]}
    assert value(database, "select count(*) from effect") == 1


def test_every_state_is_in_the_table() -> None:
    """Every state says where it may go."""
    assert set(pipeline.EFFECT_MOVES) == set(EffectState)


def test_the_stages_make_one_way() -> None:
    """Each stage begins at the checkpoint that the one before it saves, and the last one saves `done`."""
    assert all(pipeline.AFTER[one] == pipeline.BEFORE[two] for one, two in pairwise(Stage))
    assert pipeline.BEFORE[Stage.TRIAGE] is Checkpoint.RECEIVED
    assert pipeline.AFTER[Stage.FOLLOW_UP] is Checkpoint.DONE


@pytest.mark.parametrize("checkpoint", list(Checkpoint))
def test_the_stages_left_are_a_tail(checkpoint: Checkpoint) -> None:
    """What is left at a checkpoint is the end of the chain, beginning with the stage that is allowed there."""
    left = pipeline.stages_from(checkpoint)
    assert left == tuple(Stage)[len(Stage) - len(left) :]
    assert not left or pipeline.BEFORE[left[0]] is checkpoint
    assert bool(left) == (checkpoint in pipeline.BEFORE.values())


@pytest.mark.parametrize("stage", list(Stage))
def test_the_following_stage_is_the_next_one(stage: Stage) -> None:
    """After each stage comes the next in order, and nothing after the last."""
    order = [*Stage, None]
    assert pipeline.following(stage) == order[order.index(stage) + 1]


keys = st.tuples(
    st.binary(min_size=32, max_size=32),
    st.sampled_from(Stage),
    st.integers(1, 50),
    st.text(max_size=20),
    st.text(max_size=20),
)


@given(keys, keys)
def test_different_effects_have_different_keys(
    one: tuple[bytes, Stage, int, str, str], two: tuple[bytes, Stage, int, str, str]
) -> None:
    """Two effects have the same key exactly when run, stage, number, tool and target are the same."""
    assert (pipeline.effect_key(*one) == pipeline.effect_key(*two)) == (one == two)
    assert len(pipeline.effect_key(*one)) == 32
