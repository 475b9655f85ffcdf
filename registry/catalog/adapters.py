"""The LoRA adapters of models; requests name one as `base+adapter`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from modelyard.registry.catalog.model import Adapter, ModelRef, StoredFile
from modelyard.registry.catalog.tables import AdapterRow, ModelRow
from modelyard.registry.database import Database
from modelyard.registry.errors import AlreadyExists, UnknownModel


def adapter_of(row: AdapterRow) -> Adapter:
    file = StoredFile(row.source, row.sha256, row.size)
    return Adapter(row.id, row.name, file, row.created_at)


@dataclass(frozen=True, slots=True)
class AdapterCatalog:
    """The adapters of models; each applies to every version of its model."""

    db: Database

    def add(self, model: str, name: str, file: StoredFile) -> Adapter:
        """Add an adapter; repeats are no-ops, and a different file of the same name is refused.

        Raises AlreadyExists for a different file, UnknownModel and InvalidName.
        """
        ModelRef.parse(f"{model}+{name}")
        try:
            with self.db.begin() as session:
                model_id = session.scalar(select(ModelRow.id).where(ModelRow.name == model))
                if model_id is None:
                    raise UnknownModel(f"There is no model '{model}'.")
                known = select(AdapterRow).filter_by(model_id=model_id, name=name)
                row = session.scalar(known) or AdapterRow(
                    model_id=model_id,
                    name=name,
                    source=file.path,
                    sha256=file.sha256,
                    size=file.size,
                )
                session.add(row)
                session.flush()
                found = adapter_of(row)
        except IntegrityError:  # another process added it first
            return self.add(model, name, file)
        if found.file.sha256 != file.sha256:
            raise AlreadyExists(
                f"{model} has another adapter '{name}' already, from {found.file.path}.",
                fix=f"Choose another name, or `modelyard models remove {model}+{name}` first.",
            )
        return found

    def ids(self) -> list[str]:
        """The ids of all adapters."""
        with self.db.read() as session:
            return list(session.scalars(select(AdapterRow.id)))

    def of(self, model: str) -> Sequence[Adapter]:
        rows = select(AdapterRow).join(ModelRow).where(ModelRow.name == model)
        with self.db.read() as session:
            return [adapter_of(r) for r in session.scalars(rows.order_by(AdapterRow.name))]

    def remove(self, adapter: Adapter) -> None:
        with self.db.begin() as session:
            row = session.get(AdapterRow, adapter.id)
            if row is not None:
                session.delete(row)
