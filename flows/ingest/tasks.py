"""The steps of an ingest, with progress on the run board and without Prefect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from modelyard.flows.ingest.run import IngestRun
from modelyard.flows.steps.build import quantize
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.build.join import Joiner
from modelyard.flows.steps.choose.candidate import FileSelection, ModelCandidate
from modelyard.flows.steps.choose.onnx_files import named_by_graph
from modelyard.flows.steps.evaluate.encoder import EncoderEvaluator
from modelyard.flows.steps.evaluate.generator import Evaluator, read_text
from modelyard.flows.steps.hub import download
from modelyard.flows.steps.hub.hub import HubSnapshot, RemoteFile, open_client
from modelyard.flows.steps.publish.embed import embed
from modelyard.flows.steps.publish.register import Registrar, Registration
from modelyard.flows.steps.validate.onnx import validate_onnx, weight_files_of
from modelyard.flows.steps.validate.shards import check_shards
from modelyard.flows.steps.validate.validate import validate
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.model import Format, Kind, ModelVersion, StoredFile
from modelyard.registry.errors import UnknownModel
from modelyard.serving.engines.folder import hold_model


@dataclass(frozen=True, slots=True)
class Fetched:
    """The chosen files in the store: the model's parts and its companion files.

    `is_cut` says that the parts are pieces of bytes, which only together are a model.
    """

    path: str
    format: Format
    parts: tuple[StoredFile, ...]
    companion_files: tuple[StoredFile, ...]
    is_cut: bool = False


def fetch(run: IngestRun, snapshot: HubSnapshot, choice: FileSelection) -> Fetched:
    """Fetch every chosen file into the store, resuming interrupted downloads."""
    companions = choice.companion_files
    model = choice.model
    if model.format is Format.ONNX:
        model = _asked_graph(run, snapshot, choice)
    files = _fetch_all(run, snapshot, (*companions, *model.parts))
    return Fetched(
        model.path,
        model.format,
        files[len(companions) :],
        files[: len(companions)],
        model.is_cut,
    )


def _asked_graph(run: IngestRun, snapshot: HubSnapshot, choice: FileSelection) -> ModelCandidate:
    """The model with the weight files that its graph names, which is fetched and read first."""
    graph = choice.model.parts[0]
    files = _fetch_all(run, snapshot, (graph, *choice.companion_files))
    run.run.step("read the graph")
    with hold_model(run.context.store, Format.ONNX, files) as path:
        names = weight_files_of(path, graph.path, snapshot.pipeline_tag)
    return named_by_graph(choice.model, names, snapshot)


def _fetch_all(
    run: IngestRun, snapshot: HubSnapshot, wanted: Sequence[RemoteFile]
) -> tuple[StoredFile, ...]:
    context = run.context
    run.note_parts(wanted)
    whole = sum(file.size for file in wanted)
    hub = run.hub_for("download", whole, "bytes")
    run.run.step("download", whole, "bytes")
    with open_client(hub) as client:
        downloader = download.Downloader(hub, context.store, context.results, client, snapshot)
        return _fetch_each(run, downloader, wanted)


def _fetch_each(
    run: IngestRun, downloader: download.Downloader, wanted: Sequence[RemoteFile]
) -> tuple[StoredFile, ...]:
    files: list[StoredFile] = []
    done = 0
    for file in wanted:
        known = download.stored_sha(file, run.context.results)
        fetch_it = partial(downloader.fetch, file, run.progress_after(done))
        files.append(run.bring(known, fetch_it))
        done += file.size
    return tuple(files)


def build(run: IngestRun, fetched: Fetched, snapshot: HubSnapshot) -> list[BuiltModel]:
    """Build and validate the files to serve: the model as it is, or each requested type."""
    if fetched.format is Format.ONNX:
        return [_graph(run, fetched, snapshot)]
    context = run.context
    request = run.request
    run.run.step("validate")
    if len(fetched.parts) > 1 and not fetched.is_cut:
        check_shards([(context.store.path(p.sha256), p.path) for p in fetched.parts])
    maker = quantize.Quantizer(context.store, context.results, context.threads)
    original = _in_one_piece(run, fetched, maker)
    facts = validate(context.store.path(original.sha256), original.path, snapshot.licence)
    if not request.quantize:
        return [BuiltModel(original, facts, original)]
    quantize.check_source(
        original.path, facts.quantization, allow_requantize=request.allow_requantize
    )
    return [
        _quantized(run, maker, BuiltModel(original, facts, original), to) for to in request.quantize
    ]


def _graph(run: IngestRun, fetched: Fetched, snapshot: HubSnapshot) -> BuiltModel:
    """An ONNX model as it is, validated in a folder with all files that its engine reads."""
    run.run.step("validate")
    graph, *weights = fetched.parts
    files = (graph, *weights, *fetched.companion_files)
    with hold_model(run.context.store, Format.ONNX, files) as path:
        facts = validate_onnx(path, graph.path, snapshot.licence, snapshot.pipeline_tag)
    return BuiltModel(graph, facts, graph, beside=files[1:])


def _in_one_piece(run: IngestRun, fetched: Fetched, maker: quantize.Quantizer) -> StoredFile:
    if len(fetched.parts) == 1:
        return fetched.parts[0]
    if fetched.is_cut:
        told = _counted(run, "join the parts", "parts")
        joiner = Joiner(run.context.store, run.context.results)
        return run.hold(joiner.join(fetched.parts, fetched.path, told))
    run.run.step("merge the parts", unit="tensors")
    told = _counted(run, "merge the parts")
    key = quantize.key_of_hashes([part.sha256 for part in fetched.parts])
    made = partial(maker.merge, fetched.parts, fetched.path, told)
    return run.bring(_known(run, key, quantize.MERGED), made)


def _known(run: IngestRun, key: str, to: str) -> str | None:
    """The sha256 of what an earlier run made of the same."""
    built = run.context.results.built(key, quantize.recipe(to))
    return built.sha256 if built else None


def _quantized(
    run: IngestRun, maker: quantize.Quantizer, original: BuiltModel, to: str
) -> BuiltModel:
    step = f"quantize to {to}"
    run.run.step(step, unit="tensors")
    found = original.facts.quantization
    make = partial(maker.quantize, original.file, found, to, _counted(run, step))
    known = original.file.sha256 if found == to else _known(run, original.file.sha256, to)
    made = run.bring(known, make)
    facts = validate(run.context.store.path(made.sha256), made.path, original.facts.licence)
    return BuiltModel(made, facts, original.file, quantize.recipe(to))


def _counted(run: IngestRun, step: str, unit: str = "tensors") -> Callable[[int, int], None]:
    """A progress callback that starts the step on its first call, when the total is known."""
    begun = False

    def told(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            run.run.step(step, total, unit)
            begun = True
        run.run.advance(done)

    return told


def evaluate(run: IngestRun, built: BuiltModel) -> dict[str, float]:
    """Metrics of a build, measured by the engine; raises GateFailed if quality is too low."""
    settings = run.context.settings
    context = run.context
    step = f"evaluate {built.facts.quantization or ''}".strip()
    run.run.step(step)
    text = read_text(Path(run.request.eval_text) if run.request.eval_text else None)
    writes = built.facts.kind is Kind.GENERATE
    evaluator = (Evaluator if writes else EncoderEvaluator)(
        store=context.store,
        results=context.results,
        text=text[: settings.evaluation_characters],
        threads=context.threads,
        bounds=settings.bounds,
        told=_counted(run, step, "tokens" if writes else "texts"),
    )
    return evaluator.evaluate(built)


def register(
    run: IngestRun,
    snapshot: HubSnapshot,
    built: BuiltModel,
    companion_files: Sequence[StoredFile],
    *,
    metrics: dict[str, float],
) -> ModelVersion:
    """Register the build; serving finds the version once the card index and MLflow have it."""
    context = run.context
    request = run.request
    run.run.step("register")
    registrar = Registrar(context.catalog, context.store, context.mlflow)
    entry = Registration(request.model, request.visibility, request.owner_id)
    run.note_build(built.file, snapshot.commit)
    begun = registrar.begin(entry, snapshot, built, companion_files, metrics=metrics)
    try:
        embed(open_index(context.registry), context.store, begun, snapshot)
        return registrar.finish(begun, built)
    except UnknownModel:  # removed meanwhile: what was written since then would belong to nothing
        context.given_up.disown(begun)
        raise


def follow_up(run: IngestRun) -> list[str]:
    """Do the work elsewhere after registration; returns sentences about what failed."""
    context = run.context
    untold = context.aliases.tell(run.request.model)
    unread = context.recarder.renew(_counted(run, "embed the cards", "cards"))
    told = (untold, f"Cards are found by their words alone: {unread}" if unread else "")
    return [sentence for sentence in told if sentence]
