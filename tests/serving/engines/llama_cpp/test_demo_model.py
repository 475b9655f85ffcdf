"""The bundled model, trained on Shakespeare, answers exactly as llama_cpp's serial `Llama` does."""

from pathlib import Path

import pytest

from tests.serving.engines.llama_cpp.serial_oracle import PlayedRequest, Serial, engine_on, play

DEMO = Path(__file__).parents[4] / (
    "deployments/demo/models/modelyard/tiny-shakespeare-GGUF/shakespeare-f16.gguf"
)
OPENINGS = ("ROMEO:\n", "JULIET:\nO ", "First Citizen:\nBefore", "To be, or", "KING:\n", "What")


@pytest.mark.parametrize("batch", [16, 512])
def test_greedy_answers_are_the_serial_ones_token_for_token(batch: int) -> None:
    """Six openings at once over four slots, in small and large batches."""
    serial = Serial(DEMO)
    with engine_on(DEMO, context_length=256, batch=batch) as engine:
        prompts = [tuple(engine.vocabulary.tokens(text)) for text in OPENINGS]
        answers = play(engine, [PlayedRequest(prompt, limit=48) for prompt in prompts])
        ends = engine.vocabulary.ends
    for prompt, answer in zip(prompts, answers, strict=True):
        expected = serial.answer(prompt, 48)
        stop = next((i for i, token in enumerate(expected) if token in ends), 48)
        assert answer == expected[:stop]
    serial.close()
