"""The programs that a page of the documentation holds, in their order."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class PageProgram:
    """One program: of Python as it is, of a terminal what follows its `$`."""

    language: str
    text: str

    @property
    def program(self) -> str:
        if self.language == "python":
            return self.text
        return "\n".join(line.removeprefix("$ ") for line in self.text.splitlines())


def blocks(page: str) -> list[PageProgram]:
    text = (ROOT / "docs" / page).read_text("utf-8")
    return [PageProgram(*found) for found in _BLOCK.findall(text)]
