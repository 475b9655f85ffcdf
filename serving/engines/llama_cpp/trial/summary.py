"""How the installed llama.cpp uses this processor, in one line for `doctor` and the log."""

from pathlib import Path

from modelyard.serving.engines.llama_cpp.trial.build_record import read_built
from modelyard.serving.engines.llama_cpp.trial.processor import this_processor
from modelyard.serving.engines.llama_cpp.trial.trial import Trial


def uses(trial: Trial, environment: Path) -> str:
    """Features used and unused, and why, if set-up's record in `environment` has a reason."""
    unused = this_processor().unused(trial.features)
    without = f", not {', '.join(unused)}" if unused else ""
    built = read_built(environment)
    reduced = f"; built {built}" if built and built.because else ""
    return f"uses {', '.join(trial.features) or 'no special feature'}{without}{reduced}"
