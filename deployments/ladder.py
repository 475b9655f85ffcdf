"""Goes from one build of llama.cpp to the next, slower one until one computes rightly here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.deployments.llama_builds import Compiling, LlamaBuild, builds_for
from modelyard.serving.engines.llama_cpp.trial.build_record import Built, note_built, read_built

if TYPE_CHECKING:
    from modelyard.serving.engines.llama_cpp.trial.trial import Trial


class BuildFailed(Exception):
    """The installer ended with an error, which it has told itself."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """What is built is noted in `environment`; `install` takes None for what is there already.

    `trial` tries what is installed; `say` tells the user, one line at a time.
    """

    environment: Path
    compiling: Compiling
    install: Callable[[Built | None], None]
    trial: Callable[[], "Trial"]
    say: Callable[[str], None]

    def begin(self, installed: str) -> None:
        """Install the build of before, or the first one; raises BuildFailed.

        One that is `installed` (its version; empty: none) without a note is somebody else's, and
        stays as long as it works.
        """
        known = read_built(self.environment)
        wanted = self.compiling.cmake_args
        if known is None and installed == self.compiling.version and not wanted:
            self.install(None)
        elif known is None or self._other_wanted(known) or known.version != self.compiling.version:
            cmake_args = wanted or (known.cmake_args if known else "")
            self._put(self._builds(cmake_args)[0], cmake_args)
        else:
            self.install(known)

    def lacks(self, installed: str) -> bool:
        """Whether another build is asked for than the noted one, or that is not there any more."""
        known = read_built(self.environment)
        if known is None:
            return bool(self.compiling.cmake_args)
        return self._other_wanted(known) or not installed

    def _other_wanted(self, known: Built) -> bool:
        wanted = self.compiling.cmake_args
        return bool(wanted) and known.cmake_args != wanted

    def settle(self) -> "Trial":
        """Try what is installed, and go on while it fails; the trial of what is left in place."""
        trial = self.trial()
        for build, cmake_args in self._left():
            if trial.works:
                break
            self.say(f"llama.cpp fails on this processor: {trial}.")
            self.say(f"It is built once more, {build.name}, which takes some minutes.")
            try:
                self._put(build, cmake_args, because=str(trial))
            except BuildFailed:
                self.say("That could not be built; the reason stands above.")
                continue
            trial = self.trial()
            if trial.works:
                self.say(f"llama.cpp works on this processor, built {build.name}.")
        return trial

    def _left(self) -> list[tuple[LlamaBuild, str]]:
        """The builds after the noted one; all where that is another processor's, or nobody's."""
        known = read_built(self.environment)
        cmake_args = known.cmake_args if known else self.compiling.cmake_args
        builds = self._builds(cmake_args)
        names = [build.name for build in builds]
        if known and known.processor == self.compiling.processor.identity and known.name in names:
            builds = builds[names.index(known.name) + 1 :]
        return [(build, cmake_args) for build in builds]

    def _builds(self, cmake_args: str) -> tuple[LlamaBuild, ...]:
        return builds_for(self.compiling.processor, cmake_args)

    def _put(self, build: LlamaBuild, cmake_args: str, because: str = "") -> None:
        built = self.compiling.built(build, cmake_args, because)
        self.install(built)
        note_built(built, self.environment)
