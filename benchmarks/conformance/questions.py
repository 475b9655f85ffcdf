"""What is asked: verse to continue, in the files that lm-eval and guidellm read without a Hub."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXT = Path(__file__).parents[2] / "flows/steps/evaluate/evaluation_text.txt"
MOST = 40
CONTEXT_WORDS = 30
CHOICE_WORDS = 6
SHAPES = {
    "verse": """output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: "{{choices}}"
doc_to_target: label
target_delimiter: ""
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
""",
    "reading": """output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: bits_per_byte}]
""",
    "writing": """output_type: generate_until
doc_to_text: "{{text}}"
doc_to_target: "{{choices[label]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 16}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
}
"""Likelihoods of given answers, of a whole text, and answers that are written."""


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A passage and four ways to go on; `label` is the one that stands in the play."""

    text: str
    choices: list[str]
    label: int


def questions() -> list[MultipleChoice]:
    words = TEXT.read_text().split(" ")
    passages = range(0, len(words) - 6 * CONTEXT_WORDS, 2 * CONTEXT_WORDS)
    return [_question(words, start, number) for number, start in enumerate(passages)][:MOST]


def _question(words: list[str], start: int, number: int) -> MultipleChoice:
    end = start + CONTEXT_WORDS
    places = [end + 37 * k for k in range(4)]
    choices = [" " + " ".join(words[at : at + CHOICE_WORDS]) for at in places]
    label = number % 4
    choices[0], choices[label] = choices[label], choices[0]
    return MultipleChoice(" ".join(words[start:end]), choices, label)


def write(folder: Path, asked: list[MultipleChoice]) -> None:
    """The questions as rows, a task file for each shape, and prompts with a length to write."""
    rows: list[dict[str, Any]] = [
        {"text": q.text, "choices": q.choices, "label": q.label} for q in asked
    ]
    _lines(folder / "rows.jsonl", rows)
    prompts = [{"prompt": q.text, "output_tokens_count": 32} for q in asked]
    _lines(folder / "prompts.jsonl", prompts)
    data = f"dataset_kwargs: {{data_files: {{test: {folder}/rows.jsonl}}}}\n"
    for name, shape in SHAPES.items():
        head = f"task: {name}\ntest_split: test\ndataset_path: json\n"
        (folder / f"{name}.yaml").write_text(head + data + shape)


def _lines(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
