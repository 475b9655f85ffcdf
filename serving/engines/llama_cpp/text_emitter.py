"""Turns a sequence's news into the deltas of its answer."""

from dataclasses import dataclass, replace

from modelyard.serving.engines.generation import (
    Delta,
    Finish,
    Generation,
    TokenPosition,
    TokenScore,
)
from modelyard.serving.engines.llama_cpp.kv.slot import News, Sequence
from modelyard.serving.engines.llama_cpp.sampling.scoring import Score
from modelyard.serving.engines.llama_cpp.sampling.token_text import TokenText
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.text import StopText, TextStream
from modelyard.serving.engines.tool_calls.reading import CallReader
from modelyard.serving.errors import ServingError


@dataclass(frozen=True, slots=True)
class TextEmitter:
    """Converts one sequence's news into text and calls, and its scores into bytes."""

    visible: TokenText
    text: TextStream
    reader: CallReader | None = None

    @classmethod
    def of(cls, generation: Generation, vocabulary: Vocabulary) -> "TextEmitter":
        text = TextStream(StopText(generation.stop))
        plan = generation.calls
        return cls(TokenText.of(vocabulary, plan), text, CallReader(plan) if plan else None)

    def write(self, sequence: Sequence, news: list[News]) -> Delta:
        """The text, token count and finish reason of `news`; raises the error it contains."""
        written = ""
        count = 0
        finish = None
        scores: list[TokenScore] = []
        for item in news:
            if isinstance(item, ServingError):
                raise item
            if isinstance(item, Finish):
                written, finish = written + self.text.rest(), item
                break
            if isinstance(item, Score):
                scores.append(self._spelled(item, sequence.generation.echo))
                if item.place is not TokenPosition.WRITTEN:
                    continue
            token = item.token if isinstance(item, Score) else item
            written += self.text.push(self.visible.piece(token))
            count += 1
            if self.text.stops.stopped:
                finish = Finish.STOP
                break
        took = sequence.took if finish else None
        delta = Delta(written, count, finish, sequence.reused, tuple(scores), took=took)
        return delta if self.reader is None else _told_apart(delta, self.reader)

    def _spelled(self, found: Score, echo: str) -> TokenScore:
        spell = self.visible.vocabulary.spelling
        piece = spell(found.token)
        rivals = tuple((spell(token), logprob) for token, logprob in found.top)
        shown = b"" if found.place is TokenPosition.END else self.visible.piece(found.token)
        if found.place is TokenPosition.PROMPT and (
            found.logprob is not None or _begins(echo, piece)
        ):
            shown = piece
        return TokenScore(piece, shown, found.logprob, rivals, found.place)


def _told_apart(delta: Delta, reader: CallReader) -> Delta:
    """Move tool calls out of the text; if only one is allowed, it ends the answer."""
    heard = reader.push(delta.text)
    finish = delta.finish
    if reader.ended:
        finish = Finish.CALLS
    if finish is not None:
        heard.text += reader.finish()
    if finish is Finish.STOP and reader.calls:
        finish = Finish.CALLS
    return replace(delta, text=heard.text, calls=tuple(heard.calls), finish=finish)


def _begins(text: str, piece: bytes) -> bool:
    """Whether a prompt's first token is part of its text, unlike the model's begin token."""
    return text.encode("utf-8", "replace").startswith(piece)


async def news_of(sequence: Sequence) -> list[News]:
    """Wait for news and take all that is queued: a slow reader gets larger pieces."""
    news = [await sequence.mailbox.get()]
    while not sequence.mailbox.empty():
        news.append(sequence.mailbox.get_nowait())
    return news
