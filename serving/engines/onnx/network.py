"""The network: pads and masks a batch of token ids, runs it, returns the model's output."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelyard.serving.engines.onnx.tokens import EncodedText
from modelyard.serving.errors import ModelUnloadable

Array = np.ndarray[Any, np.dtype[Any]]
IDS = "input_ids"
MASK = "attention_mask"
KINDS = "token_type_ids"
_POOLED = ("sentence_embedding",)
_STATES = ("last_hidden_state", "token_embeddings")
_KINDS_OF_NUMBER = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


@dataclass(frozen=True, slots=True)
class Network:
    """A session, the inputs it has, and the one output that is used.

    Runs may be concurrent: a session holds no state between them.
    """

    session: Any
    inputs: dict[str, Any]
    output: str
    padding: int

    @classmethod
    def of(cls, session: Any, padding: int) -> "Network":
        """Wrap a session; raises ModelUnloadable if its inputs or outputs are not an encoder's."""
        inputs = {i.name: _KINDS_OF_NUMBER.get(i.type) for i in session.get_inputs()}
        strange = [n for n, kind in inputs.items() if n not in (IDS, MASK, KINDS) or kind is None]
        if strange or IDS not in inputs:
            raise ModelUnloadable(
                f"The model's inputs are {', '.join(inputs) or 'none'}: not an encoder's.",
                fix=f"An encoder has {IDS}, {MASK} and {KINDS}, the last two if it needs them.",
            )
        return cls(session, inputs, output_of([o.name for o in session.get_outputs()]), padding)

    @property
    def pools(self) -> bool:
        """Whether the graph itself makes one vector of the states."""
        return self.output in _POOLED

    def run(self, texts: Sequence[EncodedText]) -> tuple[Array, Array]:
        """The output for each text, and the mask of their tokens."""
        shape = (len(texts), max(len(text) for text in texts))
        ids = np.full(shape, self.padding, np.int64)
        mask = np.zeros(shape, np.int64)
        kinds = np.zeros(shape, np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text.ids
            kinds[row, : len(text)] = text.kinds
            mask[row, : len(text)] = 1
        given = {IDS: ids, MASK: mask, KINDS: kinds}
        feed = {name: given[name].astype(kind, copy=False) for name, kind in self.inputs.items()}
        return self.session.run([self.output], feed)[0], mask


def output_of(names: list[str]) -> str:
    """The pooled vectors if the model has them, else its states or logits, else its only output.

    Raises ModelUnloadable where several outputs have names that say nothing.
    """
    wanted = next((name for name in (*_POOLED, *_STATES, "logits") if name in names), None)
    if wanted is None and len(names) != 1:
        raise ModelUnloadable(
            f"The model's outputs are {', '.join(names)[:300]}: which is the vector is not said.",
            fix="Its author can export it anew with `optimum-cli export onnx`, which calls them "
            "last_hidden_state, sentence_embedding or logits; others of the same model may be so.",
        )
    return wanted or names[0]
