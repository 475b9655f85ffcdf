"""lm-eval and guidellm as their users start them, each in an environment of its own."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import environment

LM_EVAL = ("lm-eval[api]==0.4.13", "transformers==5.23.0")
GUIDELLM = ("guidellm==0.8.1",)
PATIENCE_S = 600
TASKS = "verse,reading,writing"


@dataclass(frozen=True, slots=True)
class GatewayUnderTest:
    """Where a client finds the model, and the folder with its questions and tokenizer."""

    url: str
    key: str
    model: str
    folder: Path
    cache: Path

    def run(self, name: str, packages: tuple[str, ...], *arguments: str) -> None:
        """Start a client's own command; no Hub is asked for anything."""
        program = environment(self.cache, name, packages).with_name(name)
        surroundings = {"PATH": os.defpath, "HOME": str(self.cache), "OPENAI_API_KEY": self.key}
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
        with (self.folder / f"{name}.log").open("ab") as log:
            subprocess.run(
                [program, "run", *arguments],
                env=surroundings | offline, stdout=log, stderr=log, check=True, timeout=PATIENCE_S,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What lm-eval found: its metrics by task, and each choice's log-probability."""

    metrics: dict[str, float]
    likelihoods: list[list[float]]


def lm_eval(
    gateway: GatewayUnderTest, *, tokenized: bool, batch: int, side_by_side: int
) -> Evaluated:
    """`local-completions`: prompts with echo and logprobs, and answers that end at a line."""
    out = gateway.folder / f"lm-eval-{tokenized}-{batch}"
    about = {
        "model": gateway.model,
        "base_url": f"{gateway.url}/v1/completions",
        "tokenizer": str(gateway.folder),
        "tokenized_requests": tokenized,
        "add_bos_token": True,
        "max_length": 1024,
        "num_concurrent": side_by_side,
        "max_retries": 1,
    }
    gateway.run(
        "lm-eval", LM_EVAL, "--model", "local-completions",
        "--model_args", ",".join(f"{name}={value}" for name, value in about.items()),
        "--batch_size", str(batch), "--include_path", str(gateway.folder), "--tasks", TASKS,
        "--output_path", str(out), "--log_samples",
    )  # fmt: skip
    found = json.loads(next(out.rglob("results_*.json")).read_text())["results"]
    metrics = {
        f"{task} {name.removesuffix(',none')}": value
        for task, values in found.items()
        for name, value in values.items()
        if name.endswith(",none") and isinstance(value, float) and "stderr" not in name
    }
    rows = next(out.rglob("samples_verse_*.jsonl")).read_text().splitlines()
    samples = sorted((json.loads(row) for row in rows), key=lambda row: row["doc_id"])
    return Evaluated(metrics, [[float(r[0][0]) for r in row["resps"]] for row in samples])


def guidellm(gateway: GatewayUnderTest, *, path: str, streams: int) -> dict[str, Any]:
    """Streams at once until every prompt was asked; the report's one benchmark."""
    report = gateway.folder / f"guidellm{path.replace('/', '-')}.json"
    backend = f"kind=openai_http,target={gateway.url},model={gateway.model},api_key={gateway.key}"
    gateway.run(
        "guidellm", GUIDELLM, "--backend", f"{backend},request_format={path}",
        "--profile", f"kind=concurrent,streams={streams}",
        "--constraint", "kind=max_requests,count=40",
        "--tokenizer", f"kind=huggingface_auto,model={gateway.folder}",
        "--data", f"kind=json_file,path={gateway.folder}/prompts.jsonl",
        "--output", f"kind=json,path={report}", "--disable-progress",
    )  # fmt: skip
    return json.loads(report.read_text())["benchmarks"][0]["metrics"]
