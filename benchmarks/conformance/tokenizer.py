"""A GGUF's own vocabulary as the tokenizer files that transformers reads: no Hub is asked."""

import json
from pathlib import Path
from typing import Any

from tests.models.vocabulary import SPLIT

_CONTROL = 3


def write_tokenizer(model: Path, folder: Path) -> None:
    """For the byte-level vocabularies of llama-bpe; texts begin with the model's own token."""
    import gguf
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        processors,
    )

    fields: Any = gguf.GGUFReader(model).fields
    words = _field(fields, "tokens")
    merges = [tuple(merge.split(" ")) for merge in _field(fields, "merges")]
    own: Any = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    own.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    own.decoder = decoders.ByteLevel()
    kinds = _field(fields, "token_type")
    own.add_special_tokens([w for w, k in zip(words, kinds, strict=True) if k == _CONTROL])
    begin = _field(fields, "bos_token_id")
    own.post_processor = processors.TemplateProcessing(
        single=f"{words[begin]} $A", special_tokens=[(words[begin], begin)]
    )
    own.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": words[begin]}
    about["eos_token"] = words[_field(fields, "eos_token_id")]
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def _field(fields: Any, name: str) -> Any:
    return fields[f"tokenizer.ggml.{name}"].contents()
