"""Modelyard: the folders of the repository, installed as one package (docs/decisions/0024).

`from modelyard import Modelyard, AsyncModelyard` brings the client for programs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.serving.client import AsyncModelyard, Modelyard

__all__ = ["AsyncModelyard", "Modelyard"]


def __getattr__(name: str) -> Any:
    """The client, loaded when somebody asks for it: every process of ours imports this file."""
    if name not in __all__:
        raise AttributeError(f"module 'modelyard' has no attribute '{name}'")
    from modelyard.serving import client

    return getattr(client, name)
