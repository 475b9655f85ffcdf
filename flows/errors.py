"""Errors between the Hub and the registry, each with a suggested fix."""

from modelyard.registry.errors import ModelyardError


class UnknownRepository(ModelyardError):
    """The Hub has no repository of that name, or hides it from this account."""

    code = "repository_not_found"
    exit_code = 4


class UnknownRevision(ModelyardError):
    """The repository has no branch, tag or commit of that name."""

    code = "revision_not_found"
    exit_code = 4


class AccessRestricted(ModelyardError):
    """The repository is gated, and the Hub denies access to its files."""

    code = "gated_repository"
    exit_code = 6


class HubUnreachable(ModelyardError):
    """The Hub does not answer, or fails with server errors, after all retries."""

    code = "hub_unreachable"
    exit_code = 10


class HubOffline(ModelyardError):
    """Settings forbid to ask the Hub, and what was asked for is not registered here."""

    code = "hub_offline"
    exit_code = 10


class HubAnswerInvalid(ModelyardError):
    """The Hub's description of a repository breaks the form that it must have."""

    code = "hub_answer_invalid"
    exit_code = 10


class NoMatchingFile(ModelyardError):
    """No file of the repository matches the request."""

    code = "file_not_found"
    exit_code = 4


class AmbiguousFile(ModelyardError):
    """Several files of the repository match the request."""

    code = "ambiguous_file"
    exit_code = 2


class ModelRefused(ModelyardError):
    """The model has a form that is not loaded: pickle, unknown format or quantized source."""

    code = "model_refused"
    exit_code = 11


class InvalidModelFile(ModelyardError):
    """A model file's structure is broken or malicious."""

    code = "model_file_invalid"
    exit_code = 11


class QuantizationFailed(ModelyardError):
    """llama.cpp could not make the quantized file."""

    code = "quantization_failed"
    exit_code = 13


class GateFailed(ModelyardError):
    """The version is measurably worse than its original, so it is not registered."""

    code = "gate_failed"
    exit_code = 12


class UnknownQuantization(ModelyardError):
    """The quantization is unknown, or not one that Modelyard can make."""

    code = "unknown_quantization"
    exit_code = 2


class Interrupted(ModelyardError):
    """The run was stopped from the keyboard."""

    code = "interrupted"
    exit_code = 130


class RunCancelled(ModelyardError):
    """Somebody cancelled the run in Prefect."""

    code = "cancelled"
    exit_code = 130


class PrefectUnreachable(ModelyardError):
    """No Prefect server answers where one is needed."""

    code = "prefect_unreachable"
    exit_code = 10


class PrefectRefused(ModelyardError):
    """A Prefect server rejects the login."""

    code = "prefect_refused"
    exit_code = 6


class PrefectDeclined(PrefectRefused):
    """A Prefect server does not know what was named, or does not take what it was given."""

    code = "prefect_declined"
