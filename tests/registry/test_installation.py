"""Opening what the settings name makes what is missing, and two openings share it."""

from pathlib import Path

from modelyard.registry.installation import open_database, open_store
from modelyard.registry.migrate import revisions, stored_revision
from modelyard.registry.settings import RegistrySettings, load


def test_the_database_is_made_and_migrated(tmp_path: Path) -> None:
    """Folder, file and tables, without a word from anybody."""
    settings = load(RegistrySettings, data_dir=tmp_path / "new" / "folder")
    for _ in range(2):
        db = open_database(settings)
        assert stored_revision(db) == revisions()[-1]
        db.close()


def test_a_given_url_wins_over_the_folder(postgres_url: str, tmp_path: Path) -> None:
    """PostgreSQL is a setting away, and leaves no file behind."""
    settings = load(RegistrySettings, data_dir=tmp_path, database_url=postgres_url)
    db = open_database(settings)
    assert not db.is_sqlite
    assert stored_revision(db) == revisions()[-1]
    db.close()
    assert list(tmp_path.iterdir()) == []


def test_the_store_has_its_bound_and_is_shared(tmp_path: Path) -> None:
    """What one opening puts, the other finds."""
    settings = load(RegistrySettings, data_dir=tmp_path, store_max_gb=0.5)
    first = open_store(settings)
    second = open_store(settings)
    assert first.max_bytes == 500_000_000
    assert second.has(first.put([b"x"]).sha256)
