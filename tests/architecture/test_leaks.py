"""The repository names no machine that it was written on or installed from."""

import re

from tests.architecture.tree import name, repository

# Each word is put together here, so that this file does not contain it.
WORDS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "/wo" + "rk/",
    "/t" + "mp/w/",
)
FORBIDDEN = re.compile("|".join(re.escape(word) for word in WORDS).encode())


def test_no_file_names_a_package_host_or_a_folder_of_the_builder() -> None:
    """A clone installs from whatever its owner uses, and lies wherever its owner puts it."""
    found = {
        name(file): match.group().decode()
        for file in repository()
        if (match := FORBIDDEN.search(file.read_bytes()))
    }
    assert found == {}
