"""An alias moves for whoever holds its preparation, once; the latest holds it."""

import pytest

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import (
    CHAMPION,
    Format,
    ModelFacts,
    ModelRef,
    ModelVersion,
    StoredFile,
)
from modelyard.registry.catalog.preparations import SWITCH_WITHIN_S, Preparations
from modelyard.registry.database import Database
from modelyard.registry.errors import InvalidName, PromotionSuperseded, UnknownModel

WAIT_S = 60.0


@pytest.fixture
def versions(db: Database) -> list[ModelVersion]:
    """Three of one model; the first is its champion."""
    return [_version(Catalog(db), build) for build in range(3)]


def _version(catalog: Catalog, build: int) -> ModelVersion:
    return catalog.register(
        "o/m",
        repo="o/m",
        revision="c" * 40,
        facts=ModelFacts(Format.MOCK, "mock"),
        files=[StoredFile("model.mock", f"{build:064x}", 1)],
        metrics={},
    )


def _champion(db: Database) -> int:
    return Catalog(db).find(ModelRef("o/m", CHAMPION)).number


def test_what_is_prepared_is_shown_until_the_alias_moves(
    db: Database, versions: list[ModelVersion]
) -> None:
    """Until then the alias is where it was; afterwards nothing is left, however it is let go."""
    preparations = Preparations(db)
    ticket = preparations.begin(versions[1], CHAMPION, WAIT_S)
    assert ticket.previous_id == versions[0].id
    (shown,) = Catalog(db).by_id(versions[1].id).preparing
    assert shown.alias == CHAMPION
    assert (shown.until - shown.since).total_seconds() == WAIT_S + SWITCH_WITHIN_S
    assert preparations.standing() == [versions[1].id]
    assert _champion(db) == 1
    switched = preparations.switch(ticket)
    assert (switched.aliases, switched.preparing) == ((CHAMPION,), ())
    assert (_champion(db), preparations.standing()) == (2, [])
    preparations.give_up(ticket)
    assert _champion(db) == 2


def test_what_is_given_up_leaves_the_alias(db: Database, versions: list[ModelVersion]) -> None:
    """And can be used no more."""
    preparations = Preparations(db)
    ticket = preparations.begin(versions[1], CHAMPION, WAIT_S)
    preparations.give_up(ticket)
    with pytest.raises(PromotionSuperseded):
        preparations.switch(ticket)
    assert (_champion(db), preparations.standing()) == (1, [])


def test_of_two_that_prepare_for_one_alias_the_later_may_move_it(
    db: Database, versions: list[ModelVersion]
) -> None:
    """The earlier one ends the preparation of nobody else, and other aliases are free."""
    preparations = Preparations(db)
    stable = preparations.begin(versions[2], "stable", WAIT_S)
    earlier = preparations.begin(versions[1], CHAMPION, WAIT_S)
    later = preparations.begin(versions[2], CHAMPION, WAIT_S)
    with pytest.raises(PromotionSuperseded, match="o/m@2 to champion was superseded"):
        preparations.check(earlier)
    with pytest.raises(PromotionSuperseded):
        preparations.switch(earlier)
    preparations.give_up(earlier)
    preparations.check(later)
    assert preparations.switch(later).number == _champion(db) == 3
    assert set(preparations.switch(stable).aliases) == {CHAMPION, "stable"}


def test_an_alias_that_moved_meanwhile_is_not_moved_again(
    db: Database, versions: list[ModelVersion]
) -> None:
    """Nor to a version that was removed."""
    preparations = Preparations(db)
    overtaken = preparations.begin(versions[1], CHAMPION, WAIT_S)
    Catalog(db).set_alias("o/m", CHAMPION, 3)
    removed = preparations.begin(versions[1], "stable", WAIT_S)
    Catalog(db).remove(ModelRef("o/m", number=2))
    for ticket in (overtaken, removed):
        with pytest.raises(PromotionSuperseded):
            preparations.switch(ticket)
    assert _champion(db) == 3


def test_what_a_dead_promoter_left_counts_for_nothing_once_its_time_is_over(
    db: Database, versions: list[ModelVersion]
) -> None:
    """Nobody has to clean it away: the next preparation takes its place."""
    preparations = Preparations(db)
    preparations.begin(versions[1], CHAMPION, -SWITCH_WITHIN_S)
    assert preparations.standing() == []
    again = preparations.begin(versions[1], CHAMPION, WAIT_S)
    assert preparations.switch(again).number == _champion(db) == 2


def test_only_what_can_be_an_alias_of_a_version_is_prepared(
    db: Database, versions: list[ModelVersion]
) -> None:
    """What MLflow keeps is none; and of a version that is gone nothing is begun."""
    preparations = Preparations(db)
    with pytest.raises(InvalidName):
        preparations.begin(versions[1], "v1", WAIT_S)
    Catalog(db).remove(ModelRef("o/m", number=2))
    with pytest.raises(UnknownModel):
        preparations.begin(versions[1], CHAMPION, WAIT_S)
