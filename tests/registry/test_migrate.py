"""Migrations bring both databases to the models' tables, once, also when many start at once."""

import subprocess
import sys
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text, update

from modelyard.registry import tables
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, Kind, ModelFacts, ModelRef, StoredFile
from modelyard.registry.database import Base, Database
from modelyard.registry.errors import DatabaseNewer
from modelyard.registry.migrate import SCRIPTS, migrate, revisions, stored_revision
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from modelyard.registry.runs.tables import RunRow
from tests.servers.postgres import Postgres

_START = """
import sys, time
from modelyard.registry.database import Database
from modelyard.registry.migrate import migrate
sys.stdin.readline()
db = Database.connect(sys.argv[1])
migrate(db)
print("alembic" in sys.modules)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'a folder' / 'empty%20.db'}"
        return
    postgres = request.getfixturevalue("postgres")
    assert isinstance(postgres, Postgres)
    name = f"empty_{uuid.uuid4().hex}"
    yield postgres.create(name)
    postgres.drop(name)


def test_models_and_migrations_agree(db: Database) -> None:
    """What the steps make is what the models say, names of constraints included."""
    assert tables.identity.UserRow.__tablename__ in Base.metadata.tables
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_steps_are_one_line_and_named_by_their_revision() -> None:
    """The scan that spares importing alembic finds what alembic finds."""
    script = ScriptDirectory(str(SCRIPTS))
    assert [step.revision for step in script.walk_revisions()] == revisions()[::-1]


def test_eight_processes_starting_at_once_migrate_once(empty: str) -> None:
    """All eight end with the tables; one of them made them."""
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", _START, empty],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for start in starts:
        assert start.stdin
        start.stdin.write("go\n")
        start.stdin.flush()
    results = [start.communicate(timeout=240) for start in starts]
    assert [start.returncode for start in starts] == [0] * 8, results
    assert [out.strip() for out, _ in results].count("True") == 1
    db = Database.connect(empty)
    assert stored_revision(db) == revisions()[-1]
    db.close()


def test_a_current_database_opens_fast(db: Database) -> None:
    """A start pays next to nothing for the check: it reads the revision, without a lock."""
    migrate(db)
    said = list[str]()
    event.listen(db.engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    migrate(db)
    assert "version_num" in said[-1]
    writing = ("advisory", "IMMEDIATE", "CREATE", "INSERT", "UPDATE", "ALTER")
    assert not any(word in statement for statement in said for word in writing)


def test_a_newer_database_is_refused(db: Database) -> None:
    """An old program does not touch tables it does not know."""
    _run(db, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseNewer, match="9999"):
        migrate(db)


def test_a_failed_step_leaves_nothing(empty: str) -> None:
    """Tables are made whole or not at all, so that the next start can try again."""
    db = Database.connect(empty)
    _run(db, "CREATE TABLE engines (id INTEGER)")
    with pytest.raises(Exception, match="engines"):
        migrate(db)
    assert stored_revision(db) is None
    with db.engine.connect() as connection:
        assert not db.engine.dialect.has_table(connection, "users")
    _run(db, "DROP TABLE engines")
    migrate(db)
    assert stored_revision(db) == revisions()[-1]
    db.close()


def _run(db: Database, statement: str) -> None:
    with db.begin() as session:
        session.execute(text(statement))


def test_kinds_of_models_are_renamed(db: Database) -> None:
    """Versions registered as `write` and `mark` are read as what these are called now."""
    catalog = Catalog(db)
    for revision, kind in (("1", "write"), ("2", "mark"), ("3", "embed")):
        facts = ModelFacts(Format.MOCK, "mock", details={"kind": kind, "embedding_length": 4})
        file = StoredFile("model.mock", "f" * 64, 5)
        catalog.register("o/m", "o/m", revision * 40, facts, [file], {})
    _downgrade(db, "0008")
    migrate(db)
    versions = sorted(catalog.list(), key=lambda version: version.number)
    assert [version.facts.kind for version in versions] == [
        Kind.GENERATE,
        Kind.TOKEN_CLASSIFY,
        Kind.EMBED,
    ]
    assert [version.facts.details["embedding_length"] for version in versions] == [4, 4, 4]


def _downgrade(db: Database, revision: str) -> None:
    with db.engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(SCRIPTS))
        command.downgrade(config, revision)


def test_aliases_outlive_a_step_that_makes_their_table_anew(db: Database) -> None:
    """SQLite copies the table: what was promoted before stays promoted."""
    catalog = Catalog(db)
    for revision in ("1" * 40, "2" * 40):
        file = StoredFile("model.mock", "f" * 64, 5)
        facts = ModelFacts(Format.MOCK, "mock")
        begun = catalog.register("o/m", "o/m", revision, facts, [file], {}, pending=True)
        catalog.finish(begun.id, "1")
    catalog.set_alias("o/m", "champion", 2)
    _downgrade(db, "0005")
    migrate(db)
    assert catalog.find(ModelRef.parse("o/m@champion")).number == 2
    catalog.remove(ModelRef.parse("o/m@2"))
    assert [version.aliases for version in catalog.list()] == [()]


def test_a_half_registered_champion_of_before_is_none(db: Database) -> None:
    """What MLflow never had was never finished; whoever stood behind it takes its place."""
    catalog = Catalog(db)
    for model, revision in (("o/m", "1"), ("o/m", "2"), ("o/half", "1")):
        file = StoredFile("model.mock", "f" * 64, 5)
        facts = ModelFacts(Format.MOCK, "mock")
        catalog.register(model, model, revision * 40, facts, [file], {})
    _run(db, "UPDATE versions SET mlflow_version = '9' WHERE number = 2")
    _downgrade(db, "0006")
    migrate(db)
    (left,) = catalog.list()
    assert (left.number, left.aliases) == (2, ("champion",))
    half = {version.model: version for version in catalog.pending()}
    assert catalog.finish(half["o/half"].id, "3").aliases == ("champion",)
    assert catalog.finish(half["o/m"].id, "4").aliases == ("candidate",)


def test_names_of_before_keep_their_models_and_their_numbers(db: Database) -> None:
    """Two that would be one today both stay; a removed one's numbers are not given again."""
    catalog = Catalog(db)
    file = StoredFile("model.mock", "f" * 64, 5)
    for revision in ("1", "2"):
        facts = ModelFacts(Format.MOCK, "mock")
        catalog.register("o/m", "o/m", revision * 40, facts, [file], {})
    _downgrade(db, "0008")
    _run(
        db,
        "INSERT INTO models SELECT 'x', 'O/M', visibility, owner_id, last_number, created_at "
        "FROM models",
    )
    migrate(db)
    catalog.remove(ModelRef.parse("o/m"))
    again = catalog.register("o/m", "o/m", "3" * 40, ModelFacts(Format.MOCK, "mock"), [file], {})
    assert again.number == 3


OSC = "\x1b]52;c;ZXZpbA==\x07"
"""Writes into a terminal's clipboard."""


def test_texts_of_before_are_made_plain_and_short(db: Database) -> None:
    """Of models and runs; a template, which decides an answer, stays as it is, and so do others."""
    catalog = Catalog(db)
    file = StoredFile("model.mock", "f" * 64, 5)
    evil = ModelFacts(
        Format.MOCK,
        f"lla{OSC}ma",
        licence=f"mit{OSC}" + "x" * 5000,
        chat_template=f"{OSC}{{{{ messages }}}}",
        details={"labels": [f"good{OSC}", "bad"], "prompts": {"query": "q:\n"}},
    )
    good = ModelFacts(Format.MOCK, "llama", licence="apache-2.0")
    catalog.register("o/evil", "o/evil", "1" * 40, evil, [file], {})
    catalog.register("o/good", "o/good", "1" * 40, good, [file], {})
    RunBoard(db).start("ingest", "o/m@main").finish(RunState.FAILED, "reason")
    _downgrade(db, "0011")
    with db.begin() as session:
        session.execute(update(RunRow).values(subject=f"o/m{OSC}@main", message=f"no\n{OSC}yes"))
    migrate(db)
    facts = {version.model: version.facts for version in catalog.list()}
    cleaned = facts["o/evil"]
    assert (cleaned.architecture, cleaned.licence) == ("llama", "mit" + "x" * 197)
    assert cleaned.details == {"labels": ["good", "bad"], "prompts": {"query": "q:\n"}}
    assert cleaned.chat_template == evil.chat_template
    assert facts["o/good"] == good
    (run,) = RunBoard(db).list()
    assert (run.subject, run.message) == ("o/m@main", "no\nyes")
