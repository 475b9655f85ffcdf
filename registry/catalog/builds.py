"""Records of builds and evaluations, so that neither is done twice."""

from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.registry.catalog.tables import BuildRow, EvaluationRow
from modelyard.registry.database import Database


@dataclass(frozen=True, slots=True)
class RecordedBuild:
    """The file that a recipe made from a source."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class BuildRecords:
    """Builds and evaluations, keyed by their inputs."""

    db: Database

    def built(self, source_sha256: str, recipe: str) -> RecordedBuild | None:
        with self.db.read() as session:
            row = session.get(BuildRow, (source_sha256, recipe))
            return RecordedBuild(row.sha256, row.size) if row else None

    def record_build(
        self, source_sha256: str, recipe: str, sha256: str, size: int
    ) -> RecordedBuild:
        """Store the build; replaces the record of the same source and recipe."""
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
        """Store the metrics; replaces the record of the same pair and recipe."""
        row = EvaluationRow(
            candidate_sha256=candidate_sha256,
            reference_sha256=reference_sha256,
            recipe=recipe,
            metrics=dict(metrics),
        )
        with self.db.begin() as session:
            session.merge(row)
