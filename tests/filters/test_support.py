"""filters/support.py: what the target says must stand in the source."""

import pyarrow as pa
import pytest

from filters.support import Support


def scores(spec, source, target):
    rows = pa.table({"source": pa.array([source], pa.string()), "target": pa.array([target], pa.string())})
    found = spec.open("cpu")(rows)
    return found[0].as_py(), spec.keep(found)[0].as_py()


@pytest.mark.parametrize(
    ("source", "target", "share", "kept"),
    [
        ("The mayor closed two bridges on Monday.", "The mayor closes bridges.", 1.0, True),
        ("He speaks about the planet today.", "He speaks about climate policy.", 1 / 3, False),
        ("One dog barks near houses.", "A dog barks near houses, loudly.", 0.75, True),  # the boundary passes
        ("Żółw je sałatę.", "Żółw je.", 1.0, True),
        ("A dog.", "It is.", None, False),
        ("", "A dog barks.", None, False),
        (None, "A dog barks.", None, False),
        ("A dog barks.", None, None, False),
    ],
)
def test_one_way(source, target, share, kept):
    found, verdict = scores(Support(min_share=0.75), source, target)
    assert found == (None if share is None else pytest.approx(share))
    assert verdict is kept


def test_both_ways_takes_the_smaller_share():
    forward, _ = scores(Support(), "Police closed the old bridge in town.", "Police closed the bridge.")
    both, _ = scores(Support(both_ways=True), "Police closed the old bridge in town.", "Police closed the bridge.")
    assert forward == 1.0
    assert both == pytest.approx(3 / 5)
