"""The registered models, from the registry here or from a gateway elsewhere."""

from collections.abc import Iterable

from modelyard.registry.catalog.catalog import CHAMPION
from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.errors import UnknownModel
from modelyard.serving.cli.connection import elsewhere
from modelyard.serving.wire.admin.registered import RegisteredModel, RegisteredVersion


def registered_models() -> list[RegisteredModel]:
    """Every model that this user may see; on this machine that is all of them."""
    if gateway := elsewhere():
        answer = gateway.ask("GET", "/api/v1/models")
        return [RegisteredModel.model_validate(model) for model in answer["models"]]
    from modelyard.registry.catalog.promotions import Promotions
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        versions = registry.catalog.list()
        replaced = Promotions(registry.database).replaced()
        return RegisteredModel.all_of(versions, registry.fleet.engines(), replaced)


def registered_version(name: str) -> tuple[str, RegisteredVersion]:
    """The model's name and the version that `name` means; raises UnknownModel, InvalidName."""
    ref = ModelRef.parse(name)
    if elsewhere() is None:
        return _of_this_installation(ref)
    versions = [v for m in registered_models() if m.name == ref.name for v in m.versions]
    found = _meant(ref, versions)
    if found is None:
        raise UnknownModel(f"There is no model '{ref}'.", fix="`modelyard models list` lists them.")
    return ref.name, found


def _of_this_installation(ref: ModelRef) -> tuple[str, RegisteredVersion]:
    from modelyard.serving.cli.context import installation

    with installation() as registry:
        version = registry.catalog.find(ref)
        return version.model, RegisteredVersion.of(version, registry.fleet.engines())


def _meant(ref: ModelRef, versions: Iterable[RegisteredVersion]) -> RegisteredVersion | None:
    """Of versions with the newest first: the named one, else the champion, else the newest."""
    fitting = [v for v in versions if ref.adapter is None or ref.adapter in v.adapters]
    if ref.number is not None:
        return next((v for v in fitting if v.number == ref.number), None)
    if ref.alias is not None:
        return next((v for v in fitting if ref.alias in v.aliases), None)
    return next((v for v in fitting if CHAMPION in v.aliases), fitting[0] if fitting else None)
