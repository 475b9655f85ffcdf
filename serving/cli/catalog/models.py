"""`modelyard models`: what is registered; `add` is the flows' own command."""

from typing import Annotated, Any

import typer

from modelyard.registry.console import Commands, out, print_json, print_table
from modelyard.registry.errors import StillInUse

LIST_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models list

  modelyard models list --json | jq -r '.[].name'
"""
SHOW_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models show owner/model

  modelyard models show owner/model@2 --json
"""
SEARCH_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models search "small model that writes verse"

  modelyard models search shakespeare --limit 3 --json
"""
REMOVE_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models remove owner/model@1        one version

  modelyard models remove owner/model+pirate   one adapter

  modelyard models remove owner/model --yes    the whole model, without being asked
"""

Ref = Annotated[str, typer.Argument(help="model, model@alias or model@version.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def attach(commands: Commands) -> None:
    commands.models.command("list", epilog=LIST_EXAMPLES)(list_models)
    commands.models.command("show", epilog=SHOW_EXAMPLES)(show)
    commands.models.command("search", epilog=SEARCH_EXAMPLES)(search)
    commands.models.command("remove", epilog=REMOVE_EXAMPLES)(remove)


def list_models(as_json: AsJson = False) -> None:
    """List every model with its versions."""
    from modelyard.registry.sizes import size_text
    from modelyard.serving.cli.catalog.registered_models import registered_models

    models = registered_models()
    if as_json:
        print_json([model.model_dump(mode="json") for model in models])
        return
    print_table(
        ("Version", "Aliases", "Kind", "Quantization", "Size", "Licence", "Since"),
        [
            (
                f"{model.name}@{v.number}",
                ", ".join(v.aliases),
                v.kind,
                v.quantization or v.format,
                size_text(v.size),
                v.licence or "unknown",
                f"{v.created_at:%Y-%m-%d}",
            )
            for model in models
            for v in model.versions
        ],
        empty="There are no models yet: `modelyard models add REPO` brings one from the Hub.",
    )


def show(model: Ref, as_json: AsJson = False) -> None:
    """Show one version: where it came from, what it is, what was measured."""
    from modelyard.serving.cli.catalog.registered_models import registered_version

    name, version = registered_version(model)
    document: dict[str, Any] = {"model": name, **version.model_dump(mode="json")}
    if as_json:
        print_json(document)
    else:
        title = f"{name}@{version.number}"
        print_table(("", title), [_line(k, v) for k, v in document.items()], empty="")


def _line(name: str, value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        return name, ", ".join(f"{k} {v:g}" for k, v in value.items())
    if isinstance(value, list):
        return name, ", ".join(_entry(v) if isinstance(v, dict) else v for v in value)
    return name, "" if value is None else str(value)


def _entry(value: dict[str, Any]) -> str:
    """An engine, or an alias that the version is made ready for."""
    if "alias" in value:
        return f"{value['alias']} since {value['since']}"
    return f"{value['device_id']}: {value['state']}"


def search(
    text: Annotated[str, typer.Argument(help="What the model should be good for.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="The most to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Find models by what their cards say, in the same words or in others."""
    from modelyard.serving.cli.catalog.card_search import find_cards

    hits = find_cards(text, limit)
    if as_json:
        print_json([hit.model_dump(mode="json") for hit in hits])
        return
    print_table(
        ("Version", "Score", "Licence", "Architecture", "Quantization"),
        [
            (
                f"{hit.model}@{hit.number}",
                f"{hit.score:.2f}",
                hit.payload.get("licence") or "unknown",
                hit.payload.get("architecture") or "unknown",
                hit.payload.get("quantization") or "",
            )
            for hit in hits
        ],
        empty="No card says anything like it.",
    )


def remove(
    model: Ref,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option(help="Even where it is loaded.")] = False,
) -> None:
    """Forget a version, an adapter, or a whole model, and let their files go."""
    from modelyard.registry.runs.orders_elsewhere import carried_out
    from modelyard.serving.cli.catalog.removal import removal_of
    from modelyard.serving.cli.connection import elsewhere
    from modelyard.serving.cli.context import installation

    if gateway := elsewhere():
        if not yes and not typer.confirm(f"Forget {model}?"):
            raise typer.Exit(1)
        carried_out(gateway, "/api/v1/admin/removals", {"model": model, "force": force})
        out.print(f"Forgot {model}.", highlight=False)
        return
    with installation() as registry:
        going = removal_of(registry, model)
        if going.loaded and not force:
            raise StillInUse(
                f"{model} is loaded on {', '.join(going.loaded)}.",
                fix="Pass --force to forget it all the same.",
            )
        if not yes and not typer.confirm(f"Forget {going.names}?"):
            raise typer.Exit(1)
        going.carry_out()
    out.print(f"Forgot {going.names}.", highlight=False)
