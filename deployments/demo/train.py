"""Train the demo's own model, a small Llama that speaks as Shakespeare's people do.

Needs the `export` and `gguf` extras. The same seed and steps give the same batches; a run that
was stopped goes on from its last checkpoint, with the plan it began with, when started again with
the same --work folder.

Examples:
  python -m modelyard.deployments.demo.train --minutes 20   as many steps as fit in twenty minutes
  python -m modelyard.deployments.demo.train --steps 1200   exactly that many, on any machine
  python -m modelyard.deployments.demo.train --steps 30 --out /somewhere/else   a first check
  python -m modelyard.deployments.demo.train --export-only   write the last checkpoint again
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from modelyard.deployments.demo import corpus, gguf_export
from modelyard.deployments.demo.corpus import CorpusTokens
from modelyard.deployments.demo.network import Llama, NetworkShape

OUT = Path(__file__).with_name("models") / "modelyard" / "tiny-shakespeare-GGUF"
HELDOUT = (
    Path(__file__).parents[2] / "flows/steps/evaluate/evaluation_text.txt"
)  # what builds are measured on
BATCH_TOKENS = 4096
WINDOWS = (256, 512, 256, 1024)  # in turn: rotary positions that were never seen read badly
TIMED_STEPS = 8
CHECK_EVERY = 100
SAY_EVERY = 20


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Everything a run depends on."""

    steps: int
    seed: int = 1
    rate: float = 2e-3
    warmup: int = 80
    decay: float = 0.3
    dropout: float = 0.3
    plain_share: float = 0.125  # windows without end-of-turn tokens: plain text reads well too

    def window(self, step: int) -> int:
        return WINDOWS[step % len(WINDOWS)]

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a twentieth of the peak."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True, slots=True)
class TrainingTexts:
    """The three parts of the text as tokens; `plain` is the training part without turn ends."""

    train: CorpusTokens
    plain: CorpusTokens
    validation: CorpusTokens
    heldout: CorpusTokens
    heldout_plain: CorpusTokens

    @classmethod
    def read(cls, tokenizer: Tokenizer) -> Self:
        split = corpus.read_split()
        marked = [
            CorpusTokens.of(text, tokenizer, marked=True)
            for text in (split.train, split.validation, split.heldout)
        ]
        plain = [
            CorpusTokens.of(text, tokenizer, marked=False) for text in (split.train, split.heldout)
        ]
        return cls(marked[0], plain[0], marked[1], marked[2], plain[1])

    def batch(self, plan: TrainingPlan, step: int) -> Tensor:
        """Ids [rows, window + 1] that depend on the seed and the step alone."""
        chance = np.random.default_rng([plan.seed, step])
        window = plan.window(step)
        rows = [
            (self.plain if chance.random() < plan.plain_share else self.train).draw(chance, window)
            for _ in range(BATCH_TOKENS // window)
        ]
        return torch.from_numpy(np.stack(rows))


def loss_of(model: Llama, ids: Tensor) -> Tensor:
    """Mean negative log-likelihood per token, in nats; matrix products run in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16, enabled=model.training):
        logits = model(ids[:, :-1])
    return functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())


@torch.no_grad()
def loss_over(model: Llama, tokens: CorpusTokens, window: int = 512) -> float:
    """Mean loss over a whole text, in neighbouring windows that each begin the text anew."""
    model.eval()
    begins = range(0, len(tokens.ids) - window + 1, window)
    losses = [
        loss_of(model, torch.from_numpy(tokens.window(begin, window))[None]).item()
        for begin in begins
    ]
    model.train()
    return sum(losses) / len(losses)


class TrainingRun:
    """One training run: its model, optimizer, step and best checkpoint, all kept on disk."""

    def __init__(
        self, plan: TrainingPlan, shape: NetworkShape, texts: TrainingTexts, checkpoint: Path
    ) -> None:
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.texts = texts
        self.checkpoint = checkpoint
        self.model = Llama(shape, plan.dropout)
        self.optimizer = torch.optim.AdamW(_groups(self.model, plan.decay), betas=(0.9, 0.95))
        self.step = 0
        self.best_loss = math.inf
        self.best = self.model.state_dict()
        if checkpoint.exists():
            self._resume()

    def _resume(self) -> None:
        saved = torch.load(self.checkpoint, weights_only=True)
        self.plan = TrainingPlan(**saved["plan"])
        self.step = saved["step"]
        self.best_loss = saved["best_loss"]
        self.best = saved["best"]
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        print(f"resumed at step {self.step} of {self.plan.steps}", flush=True)

    def save(self) -> None:
        state = {
            "plan": asdict(self.plan),
            "step": self.step,
            "best_loss": self.best_loss,
            "best": self.best,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)

    def advance(self) -> float:
        """One step; returns the loss on its batch."""
        torch.manual_seed(self.plan.seed * 1_000_003 + self.step)  # so that dropout resumes too
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        loss = loss_of(self.model, self.texts.batch(self.plan, self.step))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def fit_into(self, minutes: float) -> None:
        """Time the first steps and plan as many as the minutes allow."""
        begun = time.monotonic()
        for _ in range(TIMED_STEPS):
            self.advance()
        each = (time.monotonic() - begun) / TIMED_STEPS
        # The checks cost about a tenth more.
        self.plan = replace(self.plan, steps=max(TIMED_STEPS, int(minutes * 60 / (each * 1.1))))
        print(f"{each:.2f} s a step: {self.plan.steps} steps", flush=True)

    def train(self) -> None:
        """Run to the end, saying how it goes and keeping the best checkpoint by validation."""
        begun = time.monotonic()
        first = self.step
        while self.step < self.plan.steps:
            loss = self.advance()
            if self.step % SAY_EVERY == 0:
                left = (time.monotonic() - begun) / (self.step - first) * self._left
                print(f"step {self.step} loss {loss:.3f} left {left / 60:.1f} min", flush=True)
            if self.step % CHECK_EVERY == 0 or not self._left:
                self.check()

    @property
    def _left(self) -> int:
        return self.plan.steps - self.step

    def check(self) -> None:
        loss = loss_over(self.model, self.texts.validation)
        print(f"step {self.step} validation perplexity {math.exp(loss):.2f}", flush=True)
        if loss < self.best_loss:
            self.best_loss = loss
            self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.save()

    def report(self) -> dict[str, float]:
        """Held-out perplexities of the best checkpoint, per token."""
        self.model.load_state_dict(self.best)
        texts = {
            "validation": self.texts.validation,
            "heldout": self.texts.heldout,
            "heldout_plain": self.texts.heldout_plain,
        }
        return {name: math.exp(loss_over(self.model, text)) for name, text in texts.items()}


def _groups(model: Llama, decay: float) -> list[dict[str, object]]:
    """Matrices decay, norms do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    norms = [p for p in model.parameters() if p.dim() == 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": norms, "weight_decay": 0.0}]


def export(run: TrainingRun, shape: NetworkShape, tokenizer: Tokenizer, out: Path) -> None:
    """Write the GGUF file and the Hub's `config.json`."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: value.numpy() for name, value in run.best.items()}
    gguf_export.write(out / "shakespeare-f16.gguf", shape, tokenizer, weights)
    (out / "config.json").write_text(json.dumps(hub_config(shape, tokenizer), indent=2) + "\n")


def hub_config(shape: NetworkShape, tokenizer: Tokenizer) -> dict[str, object]:
    """The sizes under the names the `transformers` library gives them."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "max_position_embeddings": shape.context,
        "rope_theta": shape.rope_base,
        "rms_norm_eps": shape.epsilon,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": corpus.token_id(tokenizer, corpus.BOS),
        "eos_token_id": corpus.token_id(tokenizer, corpus.EOT),
        "torch_dtype": "float16",
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, default=1200, help="optimizer steps (default: 1200)")
    length.add_argument("--minutes", type=float, help="plan the steps to last about this long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/demo-model"), help="checkpoints")
    parser.add_argument("--out", type=Path, default=OUT, help="where the model's files go")
    parser.add_argument("--export-only", action="store_true", help="train no further")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    shape = NetworkShape()
    split = corpus.read_split()
    HELDOUT.write_text(split.heldout)
    tokenizer = corpus.train_tokenizer(split.train, shape.vocabulary)
    plan = TrainingPlan(given.steps, seed=given.seed)
    run = TrainingRun(plan, shape, TrainingTexts.read(tokenizer), given.work / "checkpoint.pt")
    if not given.export_only:
        if given.minutes and run.step == 0:
            run.fit_into(given.minutes)
        run.train()
    if math.isinf(run.best_loss):
        raise SystemExit(f"there is no checkpoint in {given.work}: train first")
    export(run, shape, tokenizer, given.out)
    print(json.dumps(run.report(), indent=2), flush=True)


if __name__ == "__main__":
    main()
