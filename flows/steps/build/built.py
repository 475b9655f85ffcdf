"""A file ready to be served, what it is, and what it was made from and how."""

from dataclasses import dataclass

from modelyard.registry.catalog.model import ModelFacts, StoredFile


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """One model file to register; an original is its own source and has no recipe.

    `beside` are the files that an ONNX graph's engine reads with it.
    """

    file: StoredFile
    facts: ModelFacts
    source: StoredFile
    recipe: str | None = None
    beside: tuple[StoredFile, ...] = ()

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All that the engine needs: the model's file first, then what lies beside it."""
        return (self.file, *self.beside)

    @property
    def is_made(self) -> bool:
        """Whether it was made here from another file, which it may be compared with."""
        return self.file.sha256 != self.source.sha256
