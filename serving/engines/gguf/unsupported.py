"""Forms of GGUF that are whole and honest, but are not read here."""


class UnsupportedGguf(Exception):
    """The file is of a form that is not read here; `fix` says what its owner can do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix
