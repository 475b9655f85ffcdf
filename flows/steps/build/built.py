"""A file ready to serve, its facts, its source and the recipe that made it."""

from dataclasses import dataclass

from modelyard.registry.catalog.model import ModelFacts, StoredFile


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """One model file to register; an original is its own source and has no recipe.

    `beside` are the other files that an ONNX engine reads.
    """

    file: StoredFile
    facts: ModelFacts
    source: StoredFile
    recipe: str | None = None
    beside: tuple[StoredFile, ...] = ()

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files that the engine needs, the model's file first."""
        return (self.file, *self.beside)

    @property
    def is_made(self) -> bool:
        """Whether the file was made here from another one, which it can be compared with."""
        return self.file.sha256 != self.source.sha256
