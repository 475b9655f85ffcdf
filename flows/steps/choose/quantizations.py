"""Names of GGUF quantizations, from best quality to smallest, and how file names contain them."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

FLOATS = ("F32", "BF16", "F16")
"""Unquantized types, from which a quantization may be made."""

BY_QUALITY: Sequence[str] = (  # noqa: SIM905 - one per line would hide the order
    "F16 BF16 F32 Q8_K_XL Q8_0 Q6_K_XL Q6_K_L Q6_K Q5_K_XL Q5_K_L Q5_K_M Q5_K_S Q5_1 Q5_0 "
    "Q4_K_XL Q4_K_L Q4_K_M Q4_K_S MXFP4_MOE NVFP4 IQ4_NL IQ4_XS Q4_1 Q4_0 Q3_K_XL Q3_K_L Q3_K_M "
    "IQ3_M IQ3_S Q3_K_S IQ3_XS IQ3_XXS Q2_K_XL Q2_K_L Q2_K Q2_K_S IQ2_M IQ2_S IQ2_XS IQ2_XXS "
    "TQ2_0 TQ1_0 Q2_0 IQ1_M IQ1_S Q1_0"
).split()
"""F16 comes first because models are published in it; F32 takes twice the memory for no gain.

L and XL are publishers' names: more of the tensors have a larger type than llama.cpp would give.
"""

Makeable = Literal[
    "F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0"
]
"""Types that Modelyard can make: the others need an importance matrix to be usable."""

MAKEABLE: tuple[str, ...] = get_args(Makeable)

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
    39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""Names by a GGUF header's `general.file_type`, which is llama.cpp's `llama_ftype`."""

TENSOR_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 14: "Q6_K",
    16: "IQ2_XXS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 23: "IQ4_XS", 29: "IQ1_M", 30: "BF16",
    34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4_MOE", 40: "NVFP4",
}  # fmt: skip
"""Names by ggml's tensor types, of which a file of that quantization has no other."""

_GUESSED = 1024
_ALIASES = {
    "FP16": "F16",
    "FP32": "F32",
    "MXFP4": "MXFP4_MOE",
    "Q3_K": "Q3_K_M",
    "Q4_K": "Q4_K_M",
    "Q5_K": "Q5_K_M",
}
_NAMES = sorted([*BY_QUALITY, *_ALIASES], key=len, reverse=True)
_DYNAMIC = re.compile(r"(?<![A-Za-z0-9])UD-(?=I?[QT])", re.IGNORECASE)
_IN_NAME = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(_NAMES)})(?![A-Za-z0-9_])", re.IGNORECASE)


def in_name(path: str) -> str | None:
    """The quantization in a file's name (model-q8_0.gguf is Q8_0), else in its folder's.

    None if neither says one.
    """
    folder, _, name = path.rpartition("/")
    found = _IN_NAME.findall(name) or _IN_NAME.findall(folder.rpartition("/")[2])
    return canonical(found[-1]) if found else None


def is_dynamic(path: str) -> bool:
    """Whether a name says that tensors were given types by what they matter (UD-IQ2_M)."""
    return _DYNAMIC.search(path) is not None


def of_file_type(number: int | None) -> str | None:
    """The name of a header's file type, which may be marked as guessed by llama.cpp."""
    return FILE_TYPES.get(number & ~_GUESSED) if number is not None else None


def of_matrices(types: Sequence[int]) -> str | None:
    """The name by the ggml types of all matrices; None if they are mixed, as in Q4_K_M."""
    quantized = [kind for kind in types if TENSOR_TYPES.get(kind) not in FLOATS]
    telling = quantized or types
    return TENSOR_TYPES.get(telling[0]) if len(telling) == 1 else None


def canonical(name: str) -> str:
    """The canonical spelling: upper case, F16 for fp16."""
    upper = name.upper()
    return _ALIASES.get(upper, upper)


def rank(name: str | None) -> int:
    """Rank by quality, 0 being best; unknown types come last."""
    return BY_QUALITY.index(name) if name in BY_QUALITY else len(BY_QUALITY)
