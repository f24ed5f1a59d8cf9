"""The cards of what is published: YAML that the Hub's own loader reads, then what a reader has to know."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
import yaml

from pipeline.hub.licences import ModelTerms

TEMPLATES = Path(__file__).parents[1] / "templates"
SAMPLES = 5
_MARKS = re.compile(r"([\\`*_\[\]<>|~&$#])")
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGEST = "n>10M"

Splits = Mapping[str, pa.Table]
Json = dict[str, Any]


@dataclass(frozen=True)
class Licence:
    """The licence of a release: its identifier, whether the publisher gave it, and what is known of the parts.

    `judges`: each with the tasks whose pairs it chose, as in "summary and paraphrase".
    """

    id: str
    given: bool
    parts: tuple[tuple[str, ModelTerms], ...]
    judges: tuple[tuple[str, ModelTerms], ...]


@dataclass(frozen=True)
class ConfigFiles:
    """One config of a data set: its splits, each with the rows and the paths that hold them."""

    name: str
    rows: Splits
    paths: Mapping[str, Sequence[str]]
    sizes: Mapping[str, int]
    """Bytes of the files, by split."""


def render(template: str, facts: Mapping[str, object]) -> str:
    """A card. Every value of a table goes through `cell`, so that no text can break out of it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # markdown, not HTML: `cell` escapes both
    )
    environment.filters |= {"cell": cell, "figure": figure}
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(facts))


def cell(value: object) -> str:
    """Any text as one line of plain words in markdown: no markup, no HTML, no end of the cell."""
    return _MARKS.sub(r"\\\1", " ".join(str(value).split()))


def figure(number: float) -> str:
    """Three digits are enough for a reader; a count stays whole."""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def plain(params: Mapping[str, object]) -> str:
    """Parameters as `name=value` in one line; empty ones are left out."""
    said = {name: value for name, value in params.items() if value not in (None, "", [], {})}
    return ", ".join(f"{name}={_bare(value)}" for name, value in said.items()) or "no parameter"


def _bare(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def data_metadata(title: str, licence: str, configs: Sequence[ConfigFiles], tasks: Sequence[str]) -> str:
    """The YAML at the head of a data card: licence, configs with their files, typed features, rows a split."""
    total = sum(rows.num_rows for rows in configs[0].rows.values())
    kinds = ["summarization"] * ("summary" in tasks) + ["text-generation"]
    return yaml_text(
        {
            "pretty_name": title,
            "license": licence,
            "language": ["en"],
            "task_categories": kinds,
            "annotations_creators": ["machine-generated"],
            "language_creators": ["machine-generated"],
            "source_datasets": ["original"],
            "size_categories": [next((name for most, name in _SIZES if total < most), _LARGEST)],
            "tags": ["synthetic", *tasks],
            "configs": [_config(config, default=i == 0) for i, config in enumerate(configs)],
            "dataset_info": [_info(config) for config in configs],
        }
    )


def yaml_text(data: Mapping[str, object]) -> str:
    text: str = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=110)
    return text


def _config(config: ConfigFiles, default: bool) -> Json:
    files = [{"split": split, "path": list(paths)} for split, paths in config.paths.items()]
    return {"config_name": config.name, "data_files": files} | ({"default": True} if default else {})


def _info(config: ConfigFiles) -> Json:
    splits = [
        {"name": split, "num_bytes": rows.combine_chunks().nbytes, "num_examples": rows.num_rows}
        for split, rows in config.rows.items()
    ]
    return {
        "config_name": config.name,
        "features": [_feature(field) for field in next(iter(config.rows.values())).schema],
        "splits": splits,
        "download_size": sum(config.sizes.values()),
        "dataset_size": sum(int(split["num_bytes"]) for split in splits),
    }


def _feature(field: pa.Field) -> Json:
    """A column as the Hub's YAML names its type."""
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": _dtype(field.type.value_type)}
    return {"name": field.name, "dtype": _dtype(field.type)}


def _dtype(kind: pa.DataType) -> str:
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
