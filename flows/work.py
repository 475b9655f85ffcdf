"""The steps of an ingest with their progress on the run board, free of Prefect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.job import Job
from flows.steps import download, quantize
from flows.steps.built import Build
from flows.steps.candidate import Choice
from flows.steps.embed import embed
from flows.steps.evaluate import Evaluator, read_text
from flows.steps.evaluate_reading import ReadingEvaluator
from flows.steps.hub import RemoteFile, Snapshot
from flows.steps.register import Entry, Registrar
from flows.steps.validate import validate
from flows.steps.validate_onnx import validate_onnx
from registry.card_index import open_index
from registry.names import Format, Kind, ModelVersion, StoredFile
from serving.engines.folder import hold_model


@dataclass(frozen=True, slots=True)
class Fetched:
    """The chosen files in the store: the model's parts and its papers."""

    path: str
    format: Format
    parts: tuple[StoredFile, ...]
    papers: tuple[StoredFile, ...]


def fetch(job: Job, snapshot: Snapshot, choice: Choice) -> Fetched:
    """Every chosen file in the store, resumed where an earlier run was stopped."""
    hub, yard = job.yard.settings.hub, job.yard
    wanted = (*choice.papers, *choice.model.parts)
    job.note_parts(wanted)
    job.run.step("download", sum(file.size for file in wanted), "bytes")
    with download.client(hub) as client:
        downloader = download.Downloader(hub, yard.store, yard.results, client, snapshot)
        files = _fetch_all(job, downloader, wanted)
    papers = len(choice.papers)
    return Fetched(choice.model.path, choice.model.format, files[papers:], files[:papers])


def _fetch_all(
    job: Job, downloader: download.Downloader, wanted: Sequence[RemoteFile]
) -> tuple[StoredFile, ...]:
    files: list[StoredFile] = []
    done = 0
    for file in wanted:
        files.append(job.hold(downloader.fetch(file, job.progress_after(done))))
        done += file.size
    return tuple(files)


def build(job: Job, fetched: Fetched, snapshot: Snapshot) -> list[Build]:
    """The files to serve, each validated: the model as it is, or in every asked type."""
    if fetched.format is Format.ONNX:
        return [_graph(job, fetched, snapshot)]
    yard, order = job.yard, job.order
    _validate_all(job, fetched)
    maker = quantize.Quantizer(yard.store, yard.results, yard.threads)
    original = _in_one_piece(job, fetched, maker)
    facts = validate(yard.store.path(original.sha256), original.path, snapshot.licence)
    if not order.quantize:
        return [Build(original, facts, original)]
    quantize.check_source(
        original.path, facts.quantization, allow_requantize=order.allow_requantize
    )
    return [_quantized(job, maker, Build(original, facts, original), to) for to in order.quantize]


def _graph(job: Job, fetched: Fetched, snapshot: Snapshot) -> Build:
    """An ONNX model as it is, read among all its files as its engine will have them."""
    job.run.step("validate")
    graph, *weights = fetched.parts
    files = (graph, *weights, *fetched.papers)
    with hold_model(job.yard.store, Format.ONNX, files) as path:
        facts = validate_onnx(path, graph.path, snapshot.licence, snapshot.pipeline_tag)
    return Build(graph, facts, graph, beside=files[1:])


def _validate_all(job: Job, fetched: Fetched) -> None:
    job.run.step("validate")
    for part in fetched.parts:
        validate(job.yard.store.path(part.sha256), part.path)


def _in_one_piece(job: Job, fetched: Fetched, maker: quantize.Quantizer) -> StoredFile:
    if len(fetched.parts) == 1:
        return fetched.parts[0]
    job.run.step("merge the parts", unit="tensors")
    return job.hold(maker.merge(fetched.parts, fetched.path, _counted(job, "merge the parts")))


def _quantized(job: Job, maker: quantize.Quantizer, original: Build, to: str) -> Build:
    step = f"quantize to {to}"
    job.run.step(step, unit="tensors")
    found = original.facts.quantization
    made = job.hold(maker.quantize(original.file, found, to, _counted(job, step)))
    facts = validate(job.yard.store.path(made.sha256), made.path, original.facts.licence)
    return Build(made, facts, original.file, quantize.recipe(to))


def _counted(job: Job, step: str, unit: str = "tensors") -> Callable[[int, int], None]:
    """Progress in units; how many there are is known with the first of them."""
    begun = False

    def told(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            job.run.step(step, total, unit)
            begun = True
        job.run.advance(done)

    return told


def evaluate(job: Job, built: Build) -> dict[str, float]:
    """What the engine measures on a build; raises GateFailed where it lost too much."""
    settings, yard = job.yard.settings, job.yard
    step = f"evaluate {built.facts.quantization or ''}".strip()
    job.run.step(step)
    text = read_text(Path(job.order.eval_text) if job.order.eval_text else None)
    writes = built.facts.kind is Kind.WRITE
    evaluator = (Evaluator if writes else ReadingEvaluator)(
        store=yard.store,
        results=yard.results,
        text=text[: settings.evaluation_characters],
        threads=yard.threads,
        bounds=settings.bounds,
        told=_counted(job, step, "tokens" if writes else "texts"),
    )
    return evaluator.evaluate(built)


def register(
    job: Job,
    snapshot: Snapshot,
    built: Build,
    papers: Sequence[StoredFile],
    metrics: dict[str, float],
) -> ModelVersion:
    """The build as a version that serving finds, once index and MLflow have it."""
    yard, order = job.yard, job.order
    job.run.step("register")
    registrar = Registrar(yard.catalog, yard.store, yard.mlflow)
    entry = Entry(order.model, order.visibility, order.owner_id)
    begun = registrar.begin(entry, snapshot, built, papers, metrics)
    embed(open_index(yard.registry), yard.store, begun, snapshot)
    return registrar.finish(begun, built)


def follow_up(job: Job) -> list[str]:
    """What a finished version leaves to do elsewhere; says what of it could not be done."""
    yard = job.yard
    untold = yard.aliases.tell(job.order.model)
    unread = yard.recarder.renew(_counted(job, "embed the cards", "cards"))
    told = (untold, f"Cards are found by their words alone: {unread}" if unread else "")
    return [sentence for sentence in told if sentence]
