"""What somebody wants brought in, as the command line and Prefect's form both say it."""

from collections.abc import Iterable
from dataclasses import dataclass

from modelyard.flows.steps.build.quantize import makeable
from modelyard.flows.steps.choose.candidate import SelectionRequest
from modelyard.registry.catalog.model import ModelRef, ModelVersion, Visibility
from modelyard.registry.errors import AlreadyExists, InvalidName, SettingsInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """A repository at a revision, what to take from it, and under which name to keep it.

    Raises InvalidName, UnknownQuantization or SettingsInvalid where it is made with something
    impossible.
    """

    repo: str
    revision: str = "main"
    file: str | None = None
    quantize: tuple[str, ...] = ()
    name: str | None = None
    eval_text: str | None = None
    private: bool = False
    memory_gb: float | None = None
    allow_requantize: bool = False
    owner_id: str | None = None

    def __post_init__(self) -> None:
        if ModelRef.parse(self.model).adapter:
            raise InvalidName(f"'{self.model}' names an adapter: use `models add-adapter`.")
        if self.private and self.owner_id is None:
            raise SettingsInvalid(
                "A private model needs an owner, or nobody but admins would see it.",
                fix="Name one with --owner, in Prefect's form with owner_id.",
            )
        types = tuple(dict.fromkeys(makeable(t) for t in self.quantize))
        object.__setattr__(self, "quantize", types)

    @property
    def model(self) -> str:
        return self.name or self.repo

    @property
    def subject(self) -> str:
        """The line people read: what is asked for, in short."""
        rest = [self.file, *self.quantize]
        return " ".join([f"{self.repo}@{self.revision}", *(word for word in rest if word)])

    @property
    def visibility(self) -> Visibility:
        return Visibility.PRIVATE if self.private else Visibility.PUBLIC

    def wish(self, memory_bytes: int) -> SelectionRequest:
        """`memory_bytes` counts where the order does not say itself what to fit in."""
        asked = memory_bytes if self.memory_gb is None else int(self.memory_gb * 1e9)
        return SelectionRequest(self.file, self.quantize, asked, self.allow_requantize)

    def check_kept(self, versions: Iterable[ModelVersion]) -> None:
        """Raise AlreadyExists where what is here is open to others than a private order allows."""
        mine = (Visibility.PRIVATE, self.owner_id)
        if self.private and any((v.visibility, v.owner_id) != mine for v in versions):
            raise AlreadyExists(
                f"{self.model} is here already, and not as a private model of that owner.",
                fix="Keep one of your own under another name with --name.",
            )
