"""Where the aliases of catalog and MLflow differ, and which of the two has moved."""

from dataclasses import dataclass
from enum import StrEnum, auto

from modelyard.registry.mlflow.alias_reading import AliasHere


class DriftKind(StrEnum):
    """What becomes of a difference."""

    TELL = auto()
    """The catalog has moved: MLflow is told."""
    FOLLOW = auto()
    """MLflow has moved: the catalog follows by a promotion."""
    CONFLICT = auto()
    """Both have moved: a person decides."""
    UNKNOWN = auto()
    """MLflow's alias points at a version that the catalog does not have."""


@dataclass(frozen=True, slots=True)
class AliasDrift:
    """One alias that differs: MLflow's number there, and the catalog's number of that version."""

    kind: DriftKind
    here: AliasHere
    theirs: str | None
    number: int | None

    @property
    def model(self) -> str:
        return self.here.model

    @property
    def alias(self) -> str:
        return self.here.alias

    @property
    def ours(self) -> str:
        return self.here.number

    @property
    def ref(self) -> str:
        """The version that MLflow's alias means, by its name in the catalog."""
        return f"{self.model}@{self.number}"

    @property
    def fix(self) -> str:
        if self.kind is DriftKind.CONFLICT:
            follow = f"`modelyard models promote {self.ref} --alias {self.alias}` follows MLflow"
            return f"{follow}; setting the alias there to version {self.ours} keeps the catalog's."
        if self.kind is DriftKind.UNKNOWN:
            return "Set the alias in MLflow to a version that Modelyard registered, or delete it."
        return "`modelyard flows`, which is part of `modelyard up`, brings them together."

    def __str__(self) -> str:
        what = f"{self.model}@{self.alias}"
        if self.kind is DriftKind.TELL:
            return f"MLflow has yet to hear of {what}."
        if self.kind is DriftKind.FOLLOW:
            return f"MLflow's {what} was moved to {self.ref}, and the catalog has yet to follow."
        if self.kind is DriftKind.UNKNOWN:
            return f"MLflow's {what} means its version {self.theirs}, which the catalog lacks."
        return f"{what} was moved here and in MLflow, there to {self.ref}. Neither is overwritten."


def judged(
    here: AliasHere, there: dict[str, str], numbers: dict[str, dict[str, int]]
) -> AliasDrift | None:
    """The difference of one alias; None if both agree and MLflow is known to have been told."""
    theirs = there.get(here.alias)
    move = _move(here, theirs)
    number = numbers.get(here.model, {}).get(theirs or "")
    if move in (DriftKind.FOLLOW, DriftKind.CONFLICT) and number is None:
        move = DriftKind.UNKNOWN
    return AliasDrift(move, here, theirs, number) if move else None


def _move(here: AliasHere, theirs: str | None) -> DriftKind | None:
    if theirs == here.number:
        return None if here.told == here.number else DriftKind.TELL
    # What was deleted there is set again; whom MLflow was never told of has not been moved there.
    if theirs is None or here.told in (None, theirs):
        return DriftKind.TELL
    return DriftKind.FOLLOW if here.told == here.number else DriftKind.CONFLICT
