"""The registering part of an ingest by itself, and a look at what everybody sees of it."""

from dataclasses import dataclass
from uuid import uuid4

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.ingest import tasks
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.ingest.run import open_job
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.registry.catalog.model import Format, ModelFacts, ModelRef, ModelVersion, StoredFile
from modelyard.registry.mlflow.mirror import EXPERIMENT, mlflow_name
from modelyard.serving.cli.catalog.card_search import find_cards

REPO = "ada/tiny"
COMMIT = "c" * 40
WORD = "lighthouses"
CARD = f"A parrot that speaks of nothing but {WORD}."


def register(model: str, content: str = "weights") -> list[str]:
    """As the flow does it; the settings are the environment's."""
    with open_job(IngestRequest(repo=REPO, name=model), str(uuid4())) as run:
        main = _stored(run.context, "model.gguf", content)
        card = _stored(run.context, "README.md", CARD)
        build = BuiltModel(main, ModelFacts(Format.GGUF, "llama", "Q8_0"), main)
        snapshot = HubSnapshot(REPO, COMMIT, (), tags=("gguf",), pipeline_tag="text-generation")
        version = tasks.register(run, snapshot, build, [card], metrics={"kl": 0.01})
        return run.finish([version], tasks.follow_up(run), new=True)


def _stored(context: FlowContext, path: str, content: str) -> StoredFile:
    kept = context.store.put([content.encode()])
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
        with open_context() as context:
            versions = [v for v in context.catalog.list() if v.model == model]
            client = MlflowClient(context.registry.mlflow, registry_uri=context.registry.mlflow)
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
        with open_context() as context:
            assert context.catalog.find(ModelRef(version.model)) == version
            assert context.catalog.pending(version.model) == []
            assert not any(context.store.remove(file.sha256) for file in version.files), "pinned"
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
