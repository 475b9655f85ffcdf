"""Provides a version's files to its engine for as long as the engine has them open."""

import fcntl
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from modelyard.registry.catalog.model import Format, StoredFile
from modelyard.registry.store import Store
from modelyard.serving.errors import ModelUnloadable

_FICLONE = 0x40049409


@contextmanager
def hold_model(store: Store, kind: Format, files: Sequence[StoredFile]) -> Generator[Path]:
    """The main file, `files[0]`, which exists throughout the block; raises FileMissing.

    A GGUF file is read in place. ONNX needs its files side by side under their own names and
    rejects links, so it gets a folder of copies on the store's volume, deleted with the block.
    """
    with ExitStack() as held:
        paths = [held.enter_context(store.use(file.sha256)) for file in files]
        if kind is not Format.ONNX:
            yield paths[0]
            return
        folder = held.enter_context(store.scratch())
        named = {file.path: path for file, path in zip(files, paths, strict=True)}
        yield lay_out(named, folder) / files[0].path


def lay_out(files: Mapping[str, Path], folder: Path) -> Path:
    """Copy each file to its name below `folder`, and return the folder.

    A volume with reflinks (XFS, btrfs) shares the bytes; elsewhere they are copied. Raises
    ModelUnloadable for a name that leads out of the folder and if the volume is full.
    """
    for name, source in files.items():
        target = folder / _inside(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(source, target)
        except OSError as error:
            raise ModelUnloadable(
                f"{name} could not be copied for the engine: {error.strerror}.",
                fix="An ONNX version needs its size once more on the store's volume while loaded.",
            ) from error
    return folder


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ModelUnloadable(f"The version has a file named '{name[:200]}': no name inside it.")
    return path


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as whole, target.open("xb") as copy:
        try:
            fcntl.ioctl(copy, _FICLONE, whole.fileno())
        except OSError:  # another volume, or one without reflinks
            shutil.copyfileobj(whole, copy, 1024 * 1024)
