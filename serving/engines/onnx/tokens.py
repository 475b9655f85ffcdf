"""Converts texts to token ids within the model's length, with the model's own tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.serving.errors import ContextLengthExceeded, InvalidRequest, ModelUnloadable
from modelyard.serving.wire.openai.encoders.embeddings import Input

_CHARACTERS = 64
"""Characters per allowed token; no real text has more."""

_PORTION = 32


@dataclass(frozen=True, slots=True)
class EncodedText:
    """One tokenized text; `encoding` is the tokenizer's own record of it.

    The first `unpooled` tokens are a prompt that is read but is no part of the vector.
    """

    ids: Sequence[int]
    kinds: Sequence[int]
    unpooled: int = 0
    encoding: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """What stands before each text, and how many of its tokens are left out of the vector."""

    text: str = ""
    unpooled: int = 0


_NO_PROMPT = TextPrompt()


@dataclass(frozen=True, slots=True)
class TextTokenizer:
    """A tokenizer and its limit of tokens per text; `cutting` is the same with truncation.

    Encodings are kept for spans only, which need the tokens' text positions.
    """

    whole: Any
    cutting: Any
    limit: int
    vocabulary: int
    keeps_encodings: bool = False
    lower_case: bool = False

    @classmethod
    def load(
        cls, file: Path, limit: int, *, keeps_encodings: bool = False, lower_case: bool = False
    ) -> "TextTokenizer":
        """Load both instances; raises ModelUnloadable if the file is missing or invalid."""
        whole = _tokenizer(file)
        cutting = _tokenizer(file)
        cutting.enable_truncation(limit)
        vocabulary = int(whole.get_vocab_size(with_added_tokens=True))
        return cls(whole, cutting, limit, vocabulary, keeps_encodings, lower_case)

    def read(
        self, inputs: Sequence[Input], *, truncate: bool, prompt: TextPrompt = _NO_PROMPT
    ) -> list[EncodedText]:
        """Tokenize the inputs; raises ContextLengthExceeded unless `truncate`.

        The prompt goes before texts; token ids are taken as they are.
        """
        texts = [
            self._short("input", prompt.text + given, truncate=truncate)
            for given in inputs
            if isinstance(given, str)
        ]
        read = iter(self._encoded("input", texts, truncate=truncate, unpooled=prompt.unpooled))
        return [
            next(read) if isinstance(given, str) else self._given(given, truncate=truncate)
            for given in inputs
        ]

    def length_of_prompt(self, text: str) -> int:
        """The tokens of a prompt, without the special one at its end."""
        encoding = self.whole.encode(text.lower() if self.lower_case else text)
        return len(encoding.ids) - bool(encoding.special_tokens_mask[-1:] == [1])

    def pairs(self, query: str, documents: Sequence[str], *, truncate: bool) -> list[EncodedText]:
        """The query with each document, as a cross-encoder reads them."""
        query = self._short("query", query, truncate=truncate)
        self._encoded("query", [query], truncate=truncate)
        texts = [self._short("documents", text, truncate=truncate) for text in documents]
        return self._encoded("documents", [(query, text) for text in texts], truncate=truncate)

    def _short(self, param: str, text: str, *, truncate: bool) -> str:
        """Reject or cut texts far over the limit before tokenizing them takes memory."""
        most = self.limit * _CHARACTERS
        if len(text) > most and not truncate:
            raise self._too_long(param, f"{len(text)} characters")
        return text[:most].lower() if self.lower_case else text[:most]

    def _encoded(
        self,
        param: str,
        texts: Sequence[str | tuple[str, str]],
        *,
        truncate: bool,
        unpooled: int = 0,
    ) -> list[EncodedText]:
        """Tokenize in portions: an encoding takes a hundred times its text's memory."""
        tokenizer = self.cutting if truncate else self.whole
        read: list[EncodedText] = []
        for start in range(0, len(texts), _PORTION):
            encodings = tokenizer.encode_batch(texts[start : start + _PORTION])
            tokens = [
                EncodedText(e.ids, e.type_ids, unpooled, e if self.keeps_encodings else None)
                for e in encodings
            ]
            read += self._checked(param, tokens)
        return read

    def _given(self, ids: Sequence[int], *, truncate: bool) -> EncodedText:
        if max(ids) >= self.vocabulary:
            raise InvalidRequest(
                f"'input' has the token {max(ids)}: it must be below {self.vocabulary}.",
                param="input",
            )
        kept = ids[: self.limit] if truncate else ids
        return self._checked("input", [EncodedText(kept, [0] * len(kept))])[0]

    def _checked(self, param: str, tokens: list[EncodedText]) -> list[EncodedText]:
        longest = max(map(len, tokens))
        if longest > self.limit:
            raise self._too_long(param, f"{longest} tokens")
        return tokens

    def _too_long(self, param: str, found: str) -> ContextLengthExceeded:
        return ContextLengthExceeded(
            f"'{param}' has a text of {found}; the model reads {self.limit} tokens.",
            param=param,
            fix="Send a shorter text, or 'truncate': true to have its end left out.",
        )


def _tokenizer(file: Path) -> Any:
    """Load a tokenizer and disable the padding and truncation its file may have from training."""
    from tokenizers import Tokenizer

    try:
        tokenizer: Any = Tokenizer.from_file(str(file))
    except Exception as error:
        # The library raises Exception itself.
        raise ModelUnloadable(f"{file.name} cannot be read: {error}.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
