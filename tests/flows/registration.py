"""The registering part of an ingest by itself, and a look at what everybody sees of it."""

from dataclasses import dataclass
from uuid import uuid4

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from flows import work
from flows.job import open_job
from flows.order import Order
from flows.steps.built import Build
from flows.steps.hub import Snapshot
from flows.yard import Yard, open_yard
from registry.mlflow_registry import EXPERIMENT, mlflow_name
from registry.names import Format, ModelFacts, ModelRef, ModelVersion, StoredFile
from serving.cli.card_search import find_cards

REPO, COMMIT, WORD = "ada/tiny", "c" * 40, "lighthouses"
CARD = f"A parrot that speaks of nothing but {WORD}."


def register(model: str, content: str = "weights") -> list[str]:
    """As the flow does it; the settings are the environment's."""
    with open_job(Order(repo=REPO, name=model), str(uuid4())) as job:
        main, card = _stored(job.yard, "model.gguf", content), _stored(job.yard, "README.md", CARD)
        build = Build(main, ModelFacts(Format.GGUF, "llama", "Q8_0"), main)
        snapshot = Snapshot(REPO, COMMIT, (), tags=("gguf",), pipeline_tag="text-generation")
        version = work.register(job, snapshot, build, [card], {"kl": 0.01})
        return job.finish([version], work.follow_up(job), new=True)


def _stored(yard: Yard, path: str, content: str) -> StoredFile:
    kept = yard.store.put([content.encode()])
    return StoredFile(path, kept.sha256, kept.size)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is to be seen of a model, by whoever looks, in each place where one may look."""

    model: str
    versions: list[ModelVersion]
    found: list[str]
    mlflow: MlflowClient

    @classmethod
    def of(cls, model: str) -> "Seen":
        with open_yard() as yard:
            versions = [v for v in yard.catalog.list() if v.model == model]
            client = MlflowClient(yard.registry.mlflow, registry_uri=yard.registry.mlflow)
        found = [hit.version_id for hit in find_cards(WORD, 100) if hit.model == model]
        return cls(model, versions, found, client)

    def check_nothing(self) -> None:
        """No version, no alias anywhere, and no card that a search would show."""
        assert (self.versions, self.found, self.mlflow_aliases) == ([], [], {})

    def check_registered(self) -> ModelVersion:
        """One version that catalog, store, index and MLflow have, and nothing of it twice."""
        (version,) = self.versions
        assert version.aliases == ("champion",)
        assert self.found == [version.id]
        held = self.mlflow.search_model_versions(f"name='{mlflow_name(self.model)}'")
        assert [str(one.version) for one in held] == [version.mlflow_version]
        assert len(self._runs()) == 1
        with open_yard() as yard:
            assert yard.catalog.find(ModelRef(version.model)) == version
            assert yard.catalog.pending(version.model) == []
            assert not any(yard.store.remove(file.sha256) for file in version.files), "pinned"
        return version

    def check_whole(self) -> None:
        """The same, and MLflow has heard who is champion."""
        version = self.check_registered()
        assert self.mlflow_aliases == {"champion": version.mlflow_version}

    @property
    def mlflow_aliases(self) -> dict[str, str]:
        there = self.mlflow.search_registered_models(f"name='{mlflow_name(self.model)}'")
        return {alias: str(number) for held in there for alias, number in held.aliases.items()}

    def _runs(self) -> list[Run]:
        experiment = self.mlflow.get_experiment_by_name(EXPERIMENT)
        assert experiment is not None
        mine = f"tags.`modelyard.model`='{self.model}'"
        return list(self.mlflow.search_runs([experiment.experiment_id], mine))
