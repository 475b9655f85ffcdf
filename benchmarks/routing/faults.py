"""What is wrong with a trace or a fleet, said so that it can be put right."""


class BadInput(Exception):
    """A file cannot be used; the message names the file, the place in it and what is expected."""


def number(value: object, where: str, *, least: float, strictly: bool = False) -> float:
    """A finite number of at least `least` (above it, if `strictly`); raises BadInput."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise TypeError  # noqa: TRY301  the same answer as for a text that is no number
        found = float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{where}: expected a number, found {value!r}.") from None
    if not least <= found < float("inf") or (strictly and found == least):
        bound = "above" if strictly else "at least"
        raise BadInput(f"{where}: expected a number {bound} {least:g}, found {value!r}.")
    return found


def whole(value: object, where: str, *, least: int) -> int:
    """A whole number of at least `least`; raises BadInput."""
    found = number(value, where, least=least)
    if found != int(found):
        raise BadInput(f"{where}: expected a whole number, found {value!r}.")
    return int(found)
