"""The model of the engine benchmark: 214 million random weights, whose answers end only by length.

Special tokens, tokens that are no plain text and tokens with a quote are never the likeliest, so
an answer has as many tokens as were asked for, each token is a piece of text, and a JSON string
once begun goes on: on every server alike.
"""

import ctypes
import sys
import sysconfig
from pathlib import Path

from tests.models.tiny import Tiny
from tests.models.vocabulary import SPECIAL, Words, train

VOCABULARY = 16_384
CHAT = (
    "{% if tools %}<|im_start|>system\nTools, called in <tool_call></tool_call>:"
    "{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n{{ c.function | tojson }}\n</tool_call>"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def words() -> Words:
    """Trained on the standard library; of the tokens with a quote the quote alone is left.

    Where a grammar asks for a quote there is but one choice, and the string it begins is empty.
    """
    library = Path(sysconfig.get_path("stdlib"))
    trained = train(VOCABULARY, tuple(sorted(library.glob("*.py"))))
    tokens = [f"Ġunused{i}" if '"' in token[:-1] or '"' in token[1:] else token
              for i, token in enumerate(trained.tokens)]  # fmt: skip
    return Words(tuple(tokens), tuple(merge for merge in trained.merges if '"' not in merge))


def whole_words(vocabulary: Words) -> list[str]:
    """Words of lower-case letters that are one token each after a space."""
    return [t[1:] for t in vocabulary.tokens if t[:1] == "Ġ" and t[1:].isascii() and t[1:].islower()
            and t[1:].isalpha() and len(t) > 3]  # fmt: skip


def model(cache: Path) -> Path:
    """The file, made at first use."""
    made = cache / "random-214m-q4_k_m.gguf"
    if not made.exists():
        print(f"making {made} …", file=sys.stderr)
        half = _shape(words()).write(cache / "random-214m-f16.gguf")
        _quantize(half, draft := made.with_suffix(".part"))
        draft.rename(made)
        half.unlink()
    return made


def _shape(vocabulary: Words) -> Tiny:
    silent = tuple(i for i, token in enumerate(vocabulary.tokens) if not _plain(token))
    return Tiny(VOCABULARY, 1024, 16, 16, 4, 2816, 8192, half=True, endless=True,
                chat_template=CHAT, words=vocabulary, silent=silent)  # fmt: skip


def _plain(token: str) -> bool:
    """Whether a token is printable ASCII without quotes or backslashes (Ġ stands for a space)."""
    text = token.replace("Ġ", " ")
    plain = text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
    return plain and token not in SPECIAL


def _quantize(source: Path, target: Path) -> None:
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    done = llama_cpp.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.pointer(params)
    )
    if done:
        raise RuntimeError(f"llama.cpp could not quantize {source} (code {done})")
