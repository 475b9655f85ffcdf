"""What MLflow's plugin entry point names: it imports neither MLflow nor what subclasses it.

MLflow loads its plugins while it is imported itself. A module that imports MLflow in turn would be
there in part only, if it is what imported MLflow first.
"""

from typing import Any


def store_artifacts(artifact_uri: str, *given: Any, **named: Any) -> object:
    """The artifact repository of `modelyard:///<sha256>`."""
    from modelyard.registry.mlflow.artifacts import StoreArtifacts

    return StoreArtifacts(artifact_uri, *given, **named)
