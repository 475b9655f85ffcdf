"""Finds what a request means among the registered versions, without asking the Hub."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from modelyard.flows.ingest.request import IngestRequest
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import ModelVersion


def registered_offline(catalog: Catalog, request: IngestRequest) -> list[ModelVersion] | None:
    """The newest fitting version for each asked type; None if one of them is not registered.

    Whether the Hub has a newer commit under the same name is not known.
    """
    fitting = [v for v in catalog.list() if v.model == request.model and _fits(v, request)]
    if not request.quantize:
        return fitting[:1] or None
    found = [_of_type(fitting, to) for to in request.quantize]
    versions = [version for version in found if version]
    return versions if len(versions) == len(found) else None


def _fits(version: ModelVersion, request: IngestRequest) -> bool:
    is_commit = request.revision == "main" or version.revision.startswith(request.revision)
    wanted = request.file
    is_file = (
        wanted is None
        or bool(request.quantize)  # the file then is what it was made of
        or fnmatchcase(version.main.path.lower(), wanted.lower())
    )
    return version.repo == request.repo and is_commit and is_file


def _of_type(versions: Sequence[ModelVersion], wanted: str) -> ModelVersion | None:
    return next((v for v in versions if v.facts.quantization == wanted), None)
