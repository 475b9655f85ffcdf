"""A gated repository opens for those whom the Hub lets in, whatever is here already."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from modelyard.flows.errors import AccessRestricted
from modelyard.flows.ingest import tasks
from modelyard.flows.ingest.command import run_ingest
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.ingest.run import IngestRun
from modelyard.flows.steps.choose.candidate import SelectionRequest
from modelyard.flows.steps.choose.choose import choose
from modelyard.flows.steps.hub.resolve import resolve
from tests.flows.conftest import TOKEN
from tests.flows.ingest.conftest import REPO


def test_what_is_registered_of_a_gated_repository_is_not_given_out_without_its_token(
    job: IngestRun, publish: Callable[..., None]
) -> None:
    """A token brought the bytes; who has none is refused under any name."""
    publish(REPO, {"m-q8_0.gguf": b"weights"}, gated="manual")
    hub = replace(job.context.settings.hub, token=TOKEN)
    snapshot = resolve(hub, REPO, "main")
    choice = choose(snapshot, SelectionRequest())
    settings = job.context.settings.model_copy(update={"hub_token": SecretStr(TOKEN)})
    member = replace(job, context=replace(job.context, settings=settings))
    assert tasks.fetch(member, snapshot, choice).parts
    for name in (None, "mine"):
        with pytest.raises(AccessRestricted, match="gated"):
            run_ingest(IngestRequest(repo=REPO, name=name))
