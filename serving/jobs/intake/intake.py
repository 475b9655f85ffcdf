"""Checks what is handed in, field by field, before a job is made of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from modelyard.registry.billing.quota import Quota
from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import UnknownModel
from modelyard.registry.identity.caller import Caller
from modelyard.registry.jobs.job import NewJob
from modelyard.registry.runs.served_flows import ServedFlows
from modelyard.serving.errors import InvalidRequest
from modelyard.serving.gateway.model_versions import ResolvedModel, VisibleVersions
from modelyard.serving.jobs.intake.acting import Acting, Behalf
from modelyard.serving.jobs.intake.forming import Terms, job_of_work
from modelyard.serving.jobs.intake.payload import check_kind
from modelyard.serving.routing.priority import granted
from modelyard.serving.wire.admin.requests import RequestedWork, Submission


class ModelUnknown(InvalidRequest):
    """`model_id` names no model that the user may see, whether or not there is one."""

    code = "model_not_found"


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A job whose fields hold, the version that it would run on now, and its user's quota."""

    job: NewJob
    version: ModelVersion
    quota: Quota


@dataclass(frozen=True, slots=True)
class Intake:
    """The checks of everything that is handed in, whichever route it comes by.

    They count nothing: quota and rates are counted once, when a job is sent to its engine.
    `check_url` raises InvalidRequest for a URL that no callback may be sent to.
    """

    behalf: Behalf
    versions: VisibleVersions
    flows: ServedFlows
    check_url: Callable[[str], None]

    async def check(self, asked: Submission, caller: Caller) -> CheckedJob:
        """The job of a submission.

        Raises NotPermitted (a foreign user, a priority above the user's limit), ModelUnknown (also
        for a model that the user may not see), UnknownDeployment and FlowsAway (of a type that
        Prefect runs), and InvalidRequest, which names the field.
        """
        acting = await self.behalf.of(asked.user_id, caller)
        if asked.callback_url is not None:
            self.check_url(asked.callback_url)
        terms = Terms(asked.timeout / 1000, asked.priority, asked.callback_url)
        return await self.check_work(asked, acting, terms)

    async def check_work(self, asked: RequestedWork, acting: Acting, terms: Terms) -> CheckedJob:
        """The job of one piece of work, alone or as a line of a batch; raises as `check`."""
        granted(terms.priority, acting.quota)
        model = await self.model(asked.model_id, acting.user)
        new = await asyncio.to_thread(job_of_work, asked, acting, terms)
        if asked.type.is_flow:
            served = await asyncio.to_thread(self.flows.of, asked.type.value)
            served.check(asked.payload)
        else:
            check_kind(new.path, model.version)
        return CheckedJob(new, model.version, acting.quota)

    async def model(self, name: str, user: Caller) -> ResolvedModel:
        """The version that a user means; raises InvalidName, or ModelUnknown."""
        asked = (name, user)
        try:
            return self.versions.known(asked) or await self.versions.find(asked)
        except UnknownModel as error:
            raise ModelUnknown(error.message, param="model_id", fix=error.fix) from None
