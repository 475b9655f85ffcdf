"""Versions register once, aliases always point at one, and private models stay private."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelyard.registry.catalog.catalog import Catalog, identity_of
from modelyard.registry.catalog.model import (
    Format,
    ModelFacts,
    ModelRef,
    ModelVersion,
    StoredFile,
    Visibility,
)
from modelyard.registry.catalog.promotions import Promotion, Promotions
from modelyard.registry.database import Database, utc_now
from modelyard.registry.errors import AlreadyExists, InvalidName, UnknownModel
from modelyard.registry.identity.caller import Caller, Role

FACTS = ModelFacts(Format.GGUF, "llama", "Q4_K_M", 2048, 10**10, "mit", "{{ x }}", {"vocab": 5})
ADA = Caller("1", "ada", Role.USER)
BOB = Caller("2", "bob", Role.USER)
ADMIN = Caller("3", "root", Role.ADMIN)
SERVICE = Caller("4", "robot", Role.SERVICE)


@pytest.fixture
def catalog(db: Database) -> Catalog:
    return Catalog(db)


def _add(
    catalog: Catalog,
    build: int = 0,
    name: str = "o/m",
    visibility: Visibility = Visibility.PUBLIC,
    owner_id: str | None = None,
    *,
    pending: bool = False,
) -> ModelVersion:
    files = (
        StoredFile(f"q{build}.gguf", f"{build:064x}", 3 * 10**9),
        StoredFile("a/LICENSE", "f" * 64, 5),
    )
    return catalog.register(
        name,
        repo="o/m",
        revision="c" * 40,
        facts=FACTS,
        files=files,
        metrics={"kl": 0.01},
        visibility=visibility,
        owner_id=owner_id,
        pending=pending,
    )


def _find(catalog: Catalog, text: str, caller: Caller | None = None) -> ModelVersion:
    return catalog.find(ModelRef.parse(text), caller)


def test_a_version_comes_back_as_it_was_registered(catalog: Catalog) -> None:
    """Facts, files in their order, metrics and sizes beyond 32 bits."""
    added = _add(catalog)
    for version in (_find(catalog, "o/m"), catalog.by_id(added.id), *catalog.list()):
        assert version == added
    assert added.facts == FACTS
    assert added.main.path == "q0.gguf"
    assert added.size == 3 * 10**9 + 5
    assert catalog.by_identity("o/m", identity_of(added.main.sha256, "c" * 40)) == added
    assert catalog.by_identity("o/m", "0" * 64) is None


def test_the_same_build_registers_once(catalog: Catalog) -> None:
    """Main file and commit make the identity, within a model."""
    first = _add(catalog)
    assert _add(catalog) == first
    assert _add(catalog, name="o/other").id != first.id
    assert len(catalog.list()) == 2


def test_eight_registrations_at_once_make_one_version_each(catalog: Catalog) -> None:
    """Four builds, twice each, into a model that is new: numbers 1 to 4, one champion."""
    errors: list[Exception] = []

    def register(build: int) -> None:
        try:
            _add(catalog, build)
        except Exception as error:  # noqa: BLE001 - the test reports them all
            errors.append(error)

    threads = [threading.Thread(target=register, args=(n % 4,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [v.number for v in catalog.list()] == [4, 3, 2, 1]
    assert _find(catalog, "o/m@champion").number == 1
    assert _find(catalog, "o/m@candidate").number == 4


def test_the_first_version_is_champion_and_the_newest_other_candidate(catalog: Catalog) -> None:
    """A bare name means the champion."""
    for build in range(3):
        _add(catalog, build)
    assert [(v.number, v.aliases) for v in catalog.list()] == [
        (3, ("candidate",)),
        (2, ()),
        (1, ("champion",)),
    ]
    assert _find(catalog, "o/m").number == 1
    assert _find(catalog, "o/m@2").number == 2


def test_promoting_a_candidate_ends_its_candidacy(catalog: Catalog) -> None:
    """The alias moves, and the version has one role."""
    _add(catalog, 1)
    _add(catalog, 2)
    assert catalog.set_alias("o/m", "champion", 2).aliases == ("champion",)
    assert _find(catalog, "o/m").number == 2
    with pytest.raises(UnknownModel, match="o/m@candidate") as unknown:
        _find(catalog, "o/m@candidate")
    assert unknown.value.fix == "Its latest versions are 2 (champion), 1: write o/m@2."
    assert catalog.set_alias("o/m", "stable", 1).aliases == ("stable",)
    with pytest.raises(UnknownModel, match="o/m@9"):
        catalog.set_alias("o/m", "stable", 9)
    for alias in ("Not An Alias", "latest", "v2", "2", ""):
        with pytest.raises(InvalidName):
            catalog.set_alias("o/m", alias, 1)


def test_a_promotion_is_remembered_with_what_it_took_over_from(catalog: Catalog) -> None:
    """Said again it changes nothing; a version that is removed is nobody's way back."""
    first, second, third = (_add(catalog, build) for build in range(3))
    promotions = Promotions(catalog.db)

    def champion() -> Promotion:
        (found,) = promotions.around([first.id])
        return found

    assert (champion().version_id, champion().previous_id) == (first.id, None)
    for version, previous in ((second, first), (third, second), (second, third)):
        before = champion()
        catalog.set_alias("o/m", "champion", version.number)
        after = champion()
        assert (after.version_id, after.previous_id) == (version.id, previous.id)
        assert after.at > before.at
    catalog.set_alias("o/m", "champion", second.number)
    assert champion() == after
    catalog.remove(ModelRef.parse("o/m@3"))
    assert (champion().version_id, champion().previous_id) == (second.id, None)
    assert promotions.around(["nothing"]) == []


@pytest.mark.parametrize(
    ("caller", "sees"), [(None, True), (ADA, True), (ADMIN, True), (BOB, False), (SERVICE, False)]
)
def test_a_private_model_reads_as_unknown_to_others(
    catalog: Catalog, caller: Caller | None, *, sees: bool
) -> None:
    """By any of its names and in lists; the words are those for a model that is not there."""
    _add(catalog, name="o/hers", visibility=Visibility.PRIVATE, owner_id=ADA.user_id)
    assert bool(catalog.list(caller)) is sees
    for text in ("o/hers", "o/hers@1", "o/hers@champion"):
        if sees:
            assert _find(catalog, text, caller).number == 1
        else:
            with pytest.raises(UnknownModel, match=rf"^There is no model '{text}'"):
                _find(catalog, text, caller)


def test_a_name_belongs_to_its_owner(catalog: Catalog) -> None:
    """Another user may not slip a version under it; the service may."""
    _add(catalog, owner_id=ADA.user_id)
    with pytest.raises(AlreadyExists, match="taken"):
        _add(catalog, 1, owner_id=BOB.user_id)
    assert _add(catalog, 2).owner_id == ADA.user_id


def test_numbers_of_a_removed_model_are_not_given_again(catalog: Catalog) -> None:
    """Whoever pinned x@1 never gets another model for it, whatever the case of the new name."""
    for build in (1, 2):
        _add(catalog, build)
    catalog.remove(ModelRef.parse("o/m"))
    assert _add(catalog, 1).number == 3
    catalog.remove(ModelRef.parse("o/m"))
    assert _add(catalog, 1, "O/M").number == 4


@pytest.mark.parametrize("near", ["O/M", "o/M", "o--m"])
def test_a_name_that_mlflow_or_people_confuse_with_another_is_taken(
    catalog: Catalog, near: str
) -> None:
    """Upper and lower case are one, and so are / and --; the one that is there is untouched."""
    _add(catalog)
    with pytest.raises(AlreadyExists, match="taken"):
        _add(catalog, name=near)
    assert [version.model for version in catalog.list()] == ["o/m"]


def test_removed_numbers_are_not_given_again(catalog: Catalog) -> None:
    """A version goes with its aliases and files; the name stays for the next."""
    _add(catalog, 1)
    _add(catalog, 2)
    assert [v.number for v in catalog.remove(ModelRef.parse("o/m@2"))] == [2]
    assert _add(catalog, 3).number == 3
    assert [v.number for v in catalog.remove(ModelRef.parse("o/m@champion"))] == [1]
    assert _find(catalog, "o/m").number == 3


def test_a_bare_name_removes_the_whole_model(catalog: Catalog) -> None:
    """Afterwards the name is unknown and free."""
    _add(catalog, 1)
    _add(catalog, 2)
    assert len(catalog.remove(ModelRef.parse("o/m"))) == 2
    for missing in (
        lambda: _find(catalog, "o/m"),
        lambda: catalog.remove(ModelRef.parse("o/m")),
        lambda: catalog.by_id("none"),
        lambda: catalog.finish("none", "1"),
    ):
        with pytest.raises(UnknownModel):
            missing()
    assert _add(catalog, 1, owner_id=BOB.user_id).owner_id == BOB.user_id


def test_the_fingerprint_follows_every_change(catalog: Catalog) -> None:
    """Equal while nothing happens, another after each registration, promotion and removal."""
    seen = [catalog.fingerprint()]
    for change in (
        lambda: _add(catalog, 1),
        lambda: _add(catalog, 2),
        lambda: catalog.set_alias("o/m", "champion", 2),
        lambda: catalog.remove(ModelRef.parse("o/m@1")),
    ):
        change()
        seen.append(catalog.fingerprint())
        assert catalog.fingerprint() == seen[-1]
    assert len(set(seen)) == 5


def test_a_pending_version_is_there_for_nobody(catalog: Catalog) -> None:
    """By no name, in no list, under no alias, and caches need not look again; until it ends."""
    before = catalog.fingerprint()
    begun = _add(catalog, pending=True)
    assert (begun.number, begun.aliases) == (1, ())
    assert _add(catalog, pending=True).id == begun.id
    for missing in (
        lambda: _find(catalog, "o/m"),
        lambda: _find(catalog, "o/m@1"),
        lambda: _find(catalog, "o/m@champion", ADMIN),
        lambda: catalog.by_id(begun.id),
        lambda: catalog.set_alias("o/m", "champion", 1),
    ):
        with pytest.raises(UnknownModel):
            missing()
    identity = identity_of(begun.main.sha256, "c" * 40)
    assert (catalog.list(), catalog.by_identity("o/m", identity)) == ([], None)
    assert catalog.fingerprint() == before
    assert [v.id for v in catalog.pending("o/m")] == [v.id for v in catalog.pending()] == [begun.id]
    finished = catalog.finish(begun.id, "7")
    assert (finished.aliases, finished.mlflow_version) == (("champion",), "7")
    assert _find(catalog, "o/m") == catalog.finish(begun.id, "7") == finished
    assert catalog.pending() == []


def test_who_ends_first_is_champion(catalog: Catalog) -> None:
    """Not who began first; a later one that ends is candidate."""
    first, second = (_add(catalog, build, pending=True) for build in (1, 2))
    assert catalog.finish(second.id, "1").aliases == ("champion",)
    assert catalog.finish(first.id, "2").aliases == ("candidate",)


def test_of_many_that_end_at_once_one_is_champion(catalog: Catalog) -> None:
    """Each of four builds, ended twice: one champion, one candidate, one number each."""
    begun = [_add(catalog, build, pending=True) for build in range(4)] * 2
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: catalog.finish(version.id, str(version.number)), begun))
    aliases = [alias for version in catalog.list() for alias in version.aliases]
    assert sorted(aliases) == ["candidate", "champion"]
    assert [version.mlflow_version for version in catalog.list()] == ["4", "3", "2", "1"]


def test_what_was_only_begun_keeps_no_name(catalog: Catalog) -> None:
    """The next who wants the name has it, as private as asked for, and the other cannot end."""
    begun = _add(catalog, pending=True)
    hers = _add(catalog, 1, visibility=Visibility.PRIVATE, owner_id=ADA.user_id)
    assert (hers.visibility, hers.owner_id) == (Visibility.PRIVATE, ADA.user_id)
    with pytest.raises(UnknownModel, match="given up"):
        catalog.finish(begun.id, "1")
    assert [version.id for version in catalog.list()] == [hers.id]


def test_what_was_begun_long_ago_is_given_up(catalog: Catalog) -> None:
    """Not what was taken up again since, nor what is finished, nor where letting go fails."""
    finished, old, again = (_add(catalog, build, pending=True) for build in range(3))
    catalog.finish(finished.id, "1")
    now = utc_now()
    assert _add(catalog, 2, pending=True).id == again.id
    let_go = list[ModelVersion]()

    def refuse(version: ModelVersion) -> None:
        raise OSError(version.ref)

    with pytest.raises(OSError, match="o/m@2"):
        catalog.give_up(now, refuse)
    assert catalog.give_up(now, let_go.append) == let_go
    assert [version.id for version in let_go] == [old.id]
    assert [version.id for version in catalog.pending()] == [again.id]
    assert [version.id for version in catalog.list()] == [finished.id]
