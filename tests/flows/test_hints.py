"""What is proposed after a registration is about the version that was registered."""

from dataclasses import replace

import pytest

from modelyard.flows.cli import tell_registered
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile


def test_after_a_candidate_the_candidate_is_proposed(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """The champion is called by the model's name, a candidate by its number; and promoted next."""
    facts = ModelFacts(Format.GGUF, "llama", "Q8_0", chat_template="{{ messages }}")
    first, second = (
        catalog.register("o/m", "o/m", "c" * 40, facts, [StoredFile("m", f"{n:064x}", 1)], {})
        for n in (1, 2)
    )
    tell_registered([first], new=True)
    assert "modelyard chat o/m\n" in capsys.readouterr().out
    tell_registered([second], new=True)
    said = capsys.readouterr().out
    assert "modelyard chat o/m@2\n" in said
    assert "modelyard models promote o/m@2\n" in said
    tell_registered([replace(second, aliases=())], new=False)
    assert "promote" not in capsys.readouterr().out
