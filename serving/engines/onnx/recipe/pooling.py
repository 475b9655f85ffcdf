"""How token states become one vector, read from a Pooling module's config.json in both forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from modelyard.serving.errors import ModelUnloadable


class Pooling(StrEnum):
    """How token vectors are combined into one text vector; in the order of their concatenation."""

    CLS = "cls"
    MAX = "max"
    MEAN = "mean"
    MEAN_SQRT_LEN = "mean_sqrt_len_tokens"
    WEIGHTED_MEAN = "weightedmean"
    LAST = "lasttoken"


_OLD_FORM = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_max_tokens": Pooling.MAX,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": Pooling.MEAN_SQRT_LEN,
    "pooling_mode_weightedmean_tokens": Pooling.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": Pooling.LAST,
}
"""Names before sentence-transformers 5.7, a flag each; several flags are concatenated."""

_SIZES = frozenset({"embedding_dimension", "word_embedding_dimension"})


@dataclass(frozen=True, slots=True)
class PoolingConfig:
    """The modes to concatenate, and whether the prompt's tokens count."""

    modes: tuple[Pooling, ...] = (Pooling.MEAN,)
    include_prompt: bool = True


def read_pooling(given: Mapping[str, Any], where: str) -> PoolingConfig:
    """The config.json of a Pooling module; raises ModelUnloadable for what is not known here."""
    known = {"pooling_mode", "include_prompt", *_OLD_FORM, *_SIZES}
    if unknown := sorted(given.keys() - known):
        raise _unknown(where, ", ".join(unknown))
    include = given.get("include_prompt", True)
    if not isinstance(include, bool):
        raise _unknown(where, f"include_prompt of {include!r}")
    return PoolingConfig(_modes(given, where), include)


def _modes(given: Mapping[str, Any], where: str) -> tuple[Pooling, ...]:
    asked = given.get("pooling_mode")
    if asked is None:
        old = tuple(mode for name, mode in _OLD_FORM.items() if given.get(name))
        return old or (Pooling.MEAN,)
    names = cast("list[Any]", asked if isinstance(asked, list) else [asked])
    known = {mode.value for mode in Pooling}
    if not names or len(names) > len(known) or not all(name in known for name in names):
        raise _unknown(where, f"pooling_mode {asked!r}")
    return tuple(Pooling(name) for name in names)


def _unknown(where: str, what: str) -> ModelUnloadable:
    return ModelUnloadable(
        f"{where} has {what[:200]}, which is not known here: its vectors would be other ones.",
        fix="Take a repository of the same model whose pooling is one of "
        f"{', '.join(Pooling)}, or its GGUF.",
    )
