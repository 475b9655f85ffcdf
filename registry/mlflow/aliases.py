"""Keeps the aliases of catalog and MLflow the same, whichever of the two was changed.

The catalog records for each alias the version last sent to MLflow. So it is known who moved what
since then: what the catalog moved is sent, what MLflow moved is to be followed, and what both moved
is a conflict, in which neither is overwritten.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Update, exists, update

from modelyard.registry.catalog.model import CANDIDATE, CHAMPION
from modelyard.registry.catalog.tables import AliasRow, VersionRow
from modelyard.registry.database import Database
from modelyard.registry.errors import MlflowUnavailable
from modelyard.registry.mlflow.alias_reading import AliasHere, aliases_here, numbers_here
from modelyard.registry.mlflow.drift import AliasDrift, DriftKind, judged
from modelyard.registry.mlflow.mirror import MlflowRegistry, mlflow_name

LOOKS = 6
AGAIN_S = 0.1
"""Before a look that follows a conflict: so many seconds more each time, 1.5 s in all."""


@dataclass(frozen=True, slots=True)
class MlflowAliases:
    """The aliases of a database's catalog and those of an MLflow registry."""

    db: Database
    mlflow: MlflowRegistry

    def tell(self, model: str | None = None) -> str:
        """Send the changed aliases of one model, or of all, to MLflow.

        Returns the last failure or conflict as text, or an empty string if all were sent. MLflow is
        not asked where nothing has changed here. It is looked again after each sending, because
        another process may have moved the same alias meanwhile, or may have sent it and not noted
        that yet, which looks like a conflict: whoever looks last leaves both sides the same.
        """
        problem = ""
        for look in range(LOOKS):
            changed = [a for a in aliases_here(self.db, model) if a.number != a.told]
            if not changed:
                return ""
            if problem:
                time.sleep(AGAIN_S * look)
            try:
                drifts = [d for d in self.drift(model) if d.kind is not DriftKind.FOLLOW]
                problem = next((str(d) for d in drifts if not self._sent(d)), "")
            except MlflowUnavailable as error:
                which = f"{model or changed[0].model}@{changed[0].alias}"
                return f"MLflow has yet to hear of {which}. {error}"
        return problem

    def drift(self, model: str | None = None) -> list[AliasDrift]:
        """Where catalog and MLflow differ, of one model or of all; raises MlflowUnavailable."""
        here = aliases_here(self.db, model)
        there = self.mlflow.aliases()
        numbers = numbers_here(self.db, model)
        found = [judged(a, there.get(mlflow_name(a.model), {}), numbers) for a in here]
        return [*filter(None, found), *_only_there(here, there, numbers)]

    def send(self, drift: AliasDrift) -> None:
        """Point MLflow's alias where the catalog's points, and record it."""
        self.mlflow.set_alias(drift.model, drift.alias, drift.ours)
        self._note(drift.here)

    def _sent(self, drift: AliasDrift) -> bool:
        if drift.kind is DriftKind.TELL:
            self.send(drift)
        return drift.kind is DriftKind.TELL

    def _note(self, told: AliasHere) -> None:
        """Record the version sent; an alias moved meanwhile still differs and is sent again.

        Where its version got another number in MLflow meanwhile, the one that was sent is wrong:
        then it is recorded that MLflow has yet to hear.
        """
        mine = (AliasRow.model_id == told.model_id, AliasRow.alias == told.alias)
        sent = exists().where(
            VersionRow.id == told.version_id, VersionRow.mlflow_version == told.number
        )
        with self.db.begin() as session:
            session.execute(_recorded(told.version_id).where(*mine, sent))
            session.execute(_recorded(None).where(*mine, ~sent))


def _recorded(version_id: str | None) -> Update:
    """Set `recorded_id` and keep `updated_at`, which says when the alias was moved."""
    return update(AliasRow).values(recorded_id=version_id, updated_at=AliasRow.updated_at)


def _only_there(
    here: list[AliasHere], there: dict[str, dict[str, str]], numbers: dict[str, dict[str, int]]
) -> Iterator[AliasDrift]:
    """Aliases that were set in MLflow, and that the catalog does not have."""
    ours = {(a.model, a.alias): a.number for a in here}
    for model, known in numbers.items():
        for alias, number in there.get(mlflow_name(model), {}).items():
            leaves = alias == CANDIDATE and number == ours.get((model, CHAMPION))
            if (model, alias) not in ours and not leaves:  # the champion's stops being candidate
                new = AliasHere("", model, alias, "", "", None)
                move = DriftKind.FOLLOW if number in known else DriftKind.UNKNOWN
                yield AliasDrift(move, new, number, known.get(number))
