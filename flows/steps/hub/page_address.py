"""Reads the address of a page of the Hub, as people copy it from the browser."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from modelyard.registry.errors import InvalidName

HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_VIEWS = frozenset({"tree", "blob", "resolve", "raw", "commit", "blame"})
_OTHER_KINDS = frozenset({"datasets", "spaces", "collections", "papers", "docs"})


@dataclass(frozen=True, slots=True)
class HubPage:
    """What a page shows: a repository, perhaps at a revision, and a file or `folder` of it."""

    repo: str
    revision: str | None = None
    path: str | None = None
    is_folder: bool = False


def read_page(text: str) -> HubPage | None:
    """The page at an address of the Hub or of a mirror; None for what is no address.

    Raises InvalidName for addresses of something else than a model.
    """
    address = text.strip()
    if address.partition("/")[0] in HOSTS:
        address = f"https://{address}"
    if not address.startswith(("https://", "http://")):
        return None
    parts = [unquote(part) for part in urlsplit(address).path.split("/") if part]
    if len(parts) < 2 or parts[0] in _OTHER_KINDS:
        raise InvalidName(
            f"'{text[:200]}' is not the page of a model.", fix="Give its page, or owner/name."
        )
    repo = "/".join(parts[:2])
    if len(parts) < 4 or parts[2] not in _VIEWS:
        return HubPage(repo)
    path = "/".join(parts[4:]) or None
    return HubPage(repo, parts[3], path, is_folder=parts[2] == "tree")
