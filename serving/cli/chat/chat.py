"""`modelyard chat`: talk to a model in the terminal."""

import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from modelyard.registry.catalog.plain_text import plain_text
from modelyard.registry.console import Commands, err, out
from modelyard.registry.errors import ModelyardError

if TYPE_CHECKING:
    from modelyard.serving.cli.connection import GatewayConnection

EXAMPLES = """
[bold]Examples[/bold]

  modelyard chat owner/model                        a conversation; Ctrl-C ends an answer

  modelyard chat owner/model "Why is the sky blue?" --max-tokens 200

  modelyard chat owner/model@candidate "Hello" --temperature 0 --system "Answer in French."
"""
INTERRUPTED = 130


def attach(commands: Commands) -> None:
    commands.root.command("chat", epilog=EXAMPLES)(chat)


def chat(
    model: Annotated[str, typer.Argument(help="model, model@alias or model@version.")],
    message: Annotated[str | None, typer.Argument(help="One message; else a conversation.")] = None,
    system: Annotated[str | None, typer.Option(help="What the model is told first.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="0: always the likeliest word.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer.")] = None,
) -> None:
    """Send a message, or hold a conversation; the answer is shown as it is written."""
    from modelyard.serving.cli.connection import find

    parameters = {"temperature": temperature, "max_tokens": max_tokens}
    connection = find()
    _check_known(connection, model)
    talk = Talk(connection, model, {k: v for k, v in parameters.items() if v is not None})
    if system:
        talk.messages.append({"role": "system", "content": system})
    if message is None:
        _converse(talk)
    elif not talk.say(message):
        raise typer.Exit(INTERRUPTED)


def _check_known(connection: "GatewayConnection", model: str) -> None:
    """Raise what the gateway says of a model that the caller cannot ask, before a word is typed."""
    from urllib.parse import quote

    from modelyard.serving.cli.connection import check

    with connection.client() as client:
        check(client.get(f"/v1/models/{quote(model)}"))


@dataclass(slots=True)
class Talk:
    """A conversation so far."""

    connection: "GatewayConnection"
    model: str
    parameters: dict[str, Any]
    messages: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def say(self, text: str) -> bool:
        """Print the answer as it comes; False where Ctrl-C ended it. What was said is kept."""
        from modelyard.serving.cli.chat.answer_stream import stream

        asked = [*self.messages, {"role": "user", "content": text}]
        body = {"model": self.model, "messages": asked, **self.parameters}
        answer = ""
        complete = True
        try:
            with closing(stream(self.connection, body)) as pieces:
                for piece in pieces:
                    answer += piece
                    sys.stdout.write(_shown(piece))
                    sys.stdout.flush()
        except KeyboardInterrupt:
            complete = False
        sys.stdout.write("\n")
        self.messages = [*asked, {"role": "assistant", "content": answer}]
        return complete


def _shown(piece: str) -> str:
    """On a terminal without what would steer it; a file or a program gets all of it."""
    return plain_text(piece, len(piece)) if sys.stdout.isatty() else piece


def _converse(talk: Talk) -> None:
    """Read and answer until the end of input; an error is shown and the conversation goes on."""
    import readline  # noqa: F401 - gives input() its line editing  # pyright: ignore[reportUnusedImport]

    err.print(f"Talking to {talk.model}. Ctrl-C ends an answer, Ctrl-D the conversation.")
    while True:
        try:
            text = input("> ").strip()
        except KeyboardInterrupt:  # there is no answer to end: the line that was typed goes
            out.print()
            continue
        except EOFError:
            out.print()
            return
        if not text:
            continue
        try:
            talk.say(text)
        except ModelyardError as error:
            err.print(f"[red]Error:[/red] {escape(str(error))}", highlight=False)
