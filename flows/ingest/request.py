"""An ingest request, as the command line and Prefect's form both create it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from glob import escape

from modelyard.flows.steps.build.quantize import makeable
from modelyard.flows.steps.choose.candidate import SelectionRequest
from modelyard.flows.steps.hub.page_address import HubPage, read_page
from modelyard.registry.catalog.model import ModelRef, ModelVersion, Visibility
from modelyard.registry.errors import AlreadyExists, InvalidName, SettingsInvalid

MAIN = "main"
"""The branch that a repository's name alone means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestRequest:
    """A repository at a revision, the files to take from it and the name to register it under.

    `repo` may be the address of a page of the Hub, which may also say the revision and the file.
    Raises InvalidName, UnknownQuantization or SettingsInvalid for impossible values.
    """

    repo: str
    revision: str = MAIN
    file: str | None = None
    quantize: tuple[str, ...] = ()
    name: str | None = None
    eval_text: str | None = None
    private: bool = False
    memory_gb: float | None = None
    allow_requantize: bool = False
    owner_id: str | None = None

    def __post_init__(self) -> None:
        if page := read_page(self.repo):
            self._take_from(page)
        if ModelRef.parse(self.model).adapter:
            raise InvalidName(f"'{self.model}' names an adapter: use `models add-adapter`.")
        if self.private and self.owner_id is None:
            raise SettingsInvalid(
                "A private model needs an owner, or nobody but admins would see it.",
                fix="Name one with --owner, in Prefect's form with owner_id.",
            )
        types = tuple(dict.fromkeys(makeable(t) for t in self.quantize))
        object.__setattr__(self, "quantize", types)

    def _take_from(self, page: HubPage) -> None:
        """What the page says, except where the request says it otherwise."""
        object.__setattr__(self, "repo", page.repo)
        if page.revision and self.revision == MAIN:
            object.__setattr__(self, "revision", page.revision)
        if page.path and self.file is None:
            exactly = escape(page.path)
            object.__setattr__(self, "file", f"{exactly}/*" if page.is_folder else exactly)

    @property
    def model(self) -> str:
        return self.name or self.repo

    def called(self, repo: str) -> "IngestRequest":
        """The same request under the name that the Hub has for the repository."""
        return replace(self, name=self.name or repo)

    @property
    def subject(self) -> str:
        """A short description of the request, for people."""
        rest = [self.file, *self.quantize]
        return " ".join([f"{self.repo}@{self.revision}", *(word for word in rest if word)])

    @property
    def visibility(self) -> Visibility:
        return Visibility.PRIVATE if self.private else Visibility.PUBLIC

    def wish(self, memory_bytes: int) -> SelectionRequest:
        """The file selection; `memory_bytes` applies if the request sets no memory limit itself."""
        asked = memory_bytes if self.memory_gb is None else int(self.memory_gb * 1e9)
        return SelectionRequest(self.file, self.quantize, asked, self.allow_requantize)

    def check_kept(self, versions: Iterable[ModelVersion]) -> None:
        """Raise AlreadyExists if a private request finds versions that others may see."""
        mine = (Visibility.PRIVATE, self.owner_id)
        if self.private and any((v.visibility, v.owner_id) != mine for v in versions):
            raise AlreadyExists(
                f"{self.model} is here already, and not as a private model of that owner.",
                fix="Keep one of your own under another name with --name.",
            )
