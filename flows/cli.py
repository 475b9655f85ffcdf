"""`modelyard models add` and `modelyard flows`: ingest from the command line, or serve flows."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelyard.flows import runs_cli
from modelyard.flows.add_elsewhere import add_elsewhere
from modelyard.flows.errors import PrefectUnreachable
from modelyard.flows.upkeep import cli as upkeep
from modelyard.registry.catalog.model import CANDIDATE, CHAMPION, Kind, ModelVersion
from modelyard.registry.console import Commands, gateway_elsewhere, out, print_json
from modelyard.registry.store.capacity import size_text

if TYPE_CHECKING:
    from modelyard.flows.ingest.request import IngestRequest

ADD_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models add Qwen/Qwen2.5-0.5B-Instruct-GGUF --file '*q8_0.gguf'

  modelyard models add owner/model-GGUF --quantize Q4_K_M --quantize Q8_0

  modelyard models add owner/model-GGUF --revision v1.0 --name assistant --private

  modelyard models add owner/encoder --file onnx/model.onnx

  modelyard models add https://huggingface.co/owner/model-GGUF/blob/main/model-q8_0.gguf

The best quantization that fits the memory is taken where none is named; of a repository without
GGUF its ONNX model is taken: embeddings, rerankers, classifiers. Run the same command
again after an interruption: it continues where it was, and does nothing where all is done.
"""
ADAPTER_EXAMPLES = """
[bold]Examples[/bold]

  modelyard models add-adapter owner/model pirate pirate-lora.gguf

  modelyard models add-adapter owner/model pirate owner/pirate-LoRA-GGUF/pirate-f16.gguf

Requests then name the model owner/model+pirate. The adapter goes with every version of the model.
"""
FLOWS_EXAMPLES = """
[bold]Examples[/bold]

  modelyard flows

  PREFECT_API_URL=http://127.0.0.1:4200/api modelyard flows

Runs are then started from Prefect's pages, or by: prefect deployment run ingest/ingest -p repo=…
It also follows aliases that are moved in MLflow, tells MLflow of promotions, and ends dead runs.
A server that asks for a login gets PREFECT_API_AUTH_STRING.
"""


def register(commands: Commands) -> None:
    commands.models.command("add", epilog=ADD_EXAMPLES)(add)
    commands.models.command("add-adapter", epilog=ADAPTER_EXAMPLES)(add_adapter)
    commands.root.command("flows", epilog=FLOWS_EXAMPLES)(flows)
    upkeep.attach(commands)
    runs_cli.attach(commands)


def add(
    ctx: typer.Context,
    repo: Annotated[str, typer.Argument(help="Repository on the Hub: owner/name, or its page.")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
    file: Annotated[str | None, typer.Option(help="Which GGUF or ONNX file, as a glob.")] = None,
    quantize: Annotated[
        list[str] | None, typer.Option(help="Make this type, such as Q4_K_M; may be repeated.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name to keep it under; else REPO.")] = None,
    private: Annotated[bool, typer.Option(help="Only for its owner and admins.")] = False,
    owner: Annotated[
        str | None, typer.Option(help="User it belongs to; a private one's is else the caller.")
    ] = None,
    api_key: Annotated[str, typer.Option(envvar="MODELYARD_API_KEY", hidden=True)] = "",
    eval_text: Annotated[
        Path | None, typer.Option(help="Text to measure on; else a bundled one.")
    ] = None,
    memory_gb: Annotated[
        float | None,
        typer.Option(min=0, help="Memory to fit in, in GB (10^9 bytes); else the devices' own."),
    ] = None,
    allow_requantize: Annotated[
        bool, typer.Option(help="Quantize even what is quantized already.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Bring a model from the Hub into the registry: checked, measured, ready to serve."""
    if gateway := gateway_elsewhere(ctx):
        add_elsewhere(gateway, ctx.params)
        return
    from modelyard.flows.ingest.request import IngestRequest

    request = IngestRequest(
        repo=repo, revision=revision, file=file, quantize=tuple(quantize or ()), name=name,
        private=private, eval_text=str(eval_text.absolute()) if eval_text else None,
        memory_gb=memory_gb, allow_requantize=allow_requantize,
        owner_id=_owner(owner, api_key) if private or owner else None,
    )  # fmt: skip
    _add_here(request, as_json=as_json)


def _add_here(request: "IngestRequest", *, as_json: bool) -> None:
    from modelyard.flows.ingest.command import run_ingest

    result = run_ingest(request)
    if as_json:
        print_json({"versions": [_document(v) for v in result.versions], "new": result.new})
    else:
        tell_registered(result.versions, new=result.new)


def add_adapter(
    base: Annotated[str, typer.Argument(help="A registered model.")],
    name: Annotated[str, typer.Argument(help="Name to ask for it by: BASE+NAME.")],
    source: Annotated[str, typer.Argument(help="A GGUF file here, or OWNER/REPO/FILE.")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of REPO.")] = "main",
) -> None:
    """Bring a LoRA adapter to a model: checked against it, served beside it."""
    from modelyard.flows.adapter import bring_adapter

    adapter = bring_adapter(base, name, source, revision)
    out.print(
        f"{base} answers as [bold]{base}+{adapter.name}[/bold] ({size_text(adapter.file.size)}).",
        highlight=False,
    )


def flows(
    wait_s: Annotated[
        float,
        typer.Option(min=0, max=3600, help="Seconds that PREFECT_API_URL may need to answer."),
    ] = 60.0,
) -> None:
    """Serve the flows to a Prefect server, so that its pages and schedules can start them."""
    from modelyard.flows.prefect import address
    from modelyard.flows.settings import FlowSettings
    from modelyard.registry.settings import RegistrySettings, load

    settings = load(FlowSettings)
    data_dir = load(RegistrySettings).data_dir
    login = settings.prefect_auth.get_secret_value()
    server = address.await_server(settings.prefect_url, login, data_dir, wait_s)
    if server is None:
        raise PrefectUnreachable(
            "No Prefect server answers.",
            fix="Set PREFECT_API_URL to one that runs, or use `modelyard up`, which starts one.",
        )
    address.prepare(server)
    address.confirm(server)
    from modelyard.flows import deployments

    deployments.run(server, settings.reconcile_s)


def _owner(name: str | None, key: str) -> str:
    from modelyard.flows.context import open_context
    from modelyard.flows.ingest.owner import owner_id
    from modelyard.registry.identity.identity import Identity

    with open_context() as context:
        return owner_id(Identity(context.db, ""), name, key)  # "": no session is signed or read


def _document(version: ModelVersion) -> dict[str, Any]:
    """A version as JSON for programs, without the chat template, which may be long."""
    facts = {k: v for k, v in asdict(version.facts).items() if k != "chat_template"}
    return asdict(version) | {"ref": version.ref, "size": version.size, "facts": facts}


def tell_registered(versions: list[ModelVersion], *, new: bool) -> None:
    for version in versions:
        verb = "Registered" if new else "Already here:"
        alias = f" ({', '.join(version.aliases)})" if version.aliases else ""
        out.print(f"{verb} [bold]{version.ref}[/bold]{alias}", highlight=False)
        out.print(f"  {_measured(version)}", highlight=False)
    first = versions[0]
    out.print("Next:", highlight=False)
    name = first.model if CHAMPION in first.aliases else first.ref
    out.print(f"  {_use(first, name)}", highlight=False)
    out.print(f"  modelyard models show {name}", highlight=False)
    if CANDIDATE in first.aliases:
        out.print(f"  modelyard models promote {first.ref}", highlight=False)


def _use(version: ModelVersion, name: str) -> str:
    """What to do with a version first, by its name; a model without a template has no chat."""
    facts = version.facts
    if facts.kind is not Kind.GENERATE:
        return f"ask it at {facts.kind.endpoint}"
    if facts.chat_template is None:
        return "ask it at /v1/completions: it has no chat template"
    return f"modelyard chat {name}"


def _measured(version: ModelVersion) -> str:
    """A version's size and metrics on one line."""
    facts = version.facts
    metrics = version.metrics
    words = [facts.quantization or facts.format.value, size_text(version.size)]
    forms = {
        "perplexity": "perplexity {:.2f}",
        "perplexity_ratio": "{:.3f} times the original's",
        "kl_mean": "KL {:.4f}",
        "similar_nearer": "{:.0%} of similar texts nearer",
        "similar_first": "{:.0%} of similar texts first",
        "cosine_original": "cosine {:.4f} to the original's",
        "labels": "{:.0f} labels",
        "tokens_per_second": "reads {:.0f} tokens/s",
    }
    if "pooling" in facts.details:
        words.append(f"pooled by {facts.details['pooling']}")
    words += [form.format(metrics[name]) for name, form in forms.items() if name in metrics]
    return ", ".join(words)
