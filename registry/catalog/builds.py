"""What was built and measured before, so that it is never done twice."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.registry.catalog.tables import BuildRow, EvaluationRow
from modelyard.registry.database import Database


@dataclass(frozen=True, slots=True)
class RecordedBuild:
    """The file a recipe made of a source."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class BuildRecords:
    """Builds and evaluations by what went into them."""

    db: Database

    def built(self, source_sha256: str, recipe: str) -> RecordedBuild | None:
        with self.db.read() as session:
            row = session.get(BuildRow, (source_sha256, recipe))
            return RecordedBuild(row.sha256, row.size) if row else None

    def record_build(
        self, source_sha256: str, recipe: str, sha256: str, size: int
    ) -> RecordedBuild:
        """Keep it; a later record of the same source and recipe takes its place."""
        row = BuildRow(source_sha256=source_sha256, recipe=recipe, sha256=sha256, size=size)
        with self.db.begin() as session:
            session.merge(row)
        return RecordedBuild(sha256, size)

    def evaluated(
        self, candidate_sha256: str, reference_sha256: str, recipe: str
    ) -> dict[str, float] | None:
        with self.db.read() as session:
            row = session.get(EvaluationRow, (candidate_sha256, reference_sha256, recipe))
            return dict(row.metrics) if row else None

    def record_evaluation(
        self,
        candidate_sha256: str,
        reference_sha256: str,
        recipe: str,
        metrics: Mapping[str, float],
    ) -> None:
        """Keep it; a later record of the same pair and recipe takes its place."""
        row = EvaluationRow(
            candidate_sha256=candidate_sha256,
            reference_sha256=reference_sha256,
            recipe=recipe,
            metrics=dict(metrics),
        )
        with self.db.begin() as session:
            session.merge(row)
