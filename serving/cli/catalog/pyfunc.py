"""What `mlflow.pyfunc.load_model` makes of a version: a model that asks the gateway.

The engine that serves the version stays the only one that computes it. The gateway is found as by
every command: MODELYARD_GATEWAY_URL and MODELYARD_API_KEY, else the `up` that runs here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.registry.catalog.model import Kind
from modelyard.registry.errors import InvalidName
from modelyard.registry.mlflow.artifacts import ABOUT
from modelyard.serving.cli.connection import GatewayConnection, check, find


def _load_pyfunc(path: str) -> "GatewayModel":
    about = json.loads((Path(path) / ABOUT).read_text())
    return GatewayModel(find(), about["ref"], Kind(about["kind"]))


@dataclass(frozen=True, slots=True)
class GatewayModel:
    """A version behind the gateway: text in, and out what its kind gives for each text."""

    connection: GatewayConnection
    ref: str
    kind: Kind

    def predict(
        self, model_input: Any, params: Mapping[str, Any] | None = None
    ) -> list[str] | list[Any]:
        """One result for each text: an answer, a vector, or labels with their scores.

        `model_input` is a text, several, or a data frame whose first column has them; `params` go
        into the requests: max_tokens and temperature. Raises what the gateway refuses.
        """
        texts = _texts(model_input)
        if self.kind is Kind.GENERATE:
            return [self._answer(text, params or {}) for text in texts]
        if self.kind is Kind.EMBED:
            data = self._post("/v1/embeddings", {"input": texts, **(params or {})})["data"]
            return [one["embedding"] for one in data]
        if self.kind is Kind.RERANK:
            raise InvalidName(f"{self.ref} ranks documents: ask it at {self.kind.endpoint}.")
        return self._post(self.kind.endpoint, {"input": texts, **(params or {})})["data"]

    def _answer(self, text: str, params: Mapping[str, Any]) -> str:
        body = {"messages": [{"role": "user", "content": text}], **params}
        return self._post("/v1/chat/completions", body)["choices"][0]["message"]["content"]

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with self.connection.client() as client:
            response = client.post(path, json={"model": self.ref, **body})
            check(response)
            return response.json()


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if hasattr(given, "iloc"):  # a data frame, which only its maker needs to have installed
        given = given.iloc[:, 0] if given.ndim == 2 else given
        return [str(text) for text in given.tolist()]
    if isinstance(given, Mapping):
        return [str(text) for values in given.values() for text in values]
    return [str(text) for text in given] if isinstance(given, Sequence) else [str(given)]
