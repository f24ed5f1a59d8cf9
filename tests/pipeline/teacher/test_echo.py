"""The decoder without a model."""

from pipeline.teacher.decoder import Request, Sampling
from pipeline.teacher.echo import EchoDecoder

ECHO = EchoDecoder(("One two three.", "Four five six seven.", "no end"), window=5)


def test_samples_depend_on_their_seed_alone() -> None:
    decode = ECHO.open()
    (many,) = decode([Request("a b", 1 << 20)], Sampling(n=20))
    (one,) = decode([Request("another context", (1 << 20) + 7)], Sampling(n=1))
    assert one == many[7:8]
    assert len({sample.text for sample in many}) == 3
    assert [sample.seed for sample in many] == [(1 << 20) + i for i in range(20)]


def test_states() -> None:
    decode = ECHO.open()
    (samples,) = decode([Request("a b", 0)], Sampling(n=30))
    assert {(sample.text, sample.ended, sample.tokens, sample.decoded) for sample in samples} == {
        (" One two three.", "sentence", 3, 4),
        (" Four five six seven.", "sentence", 4, 5),
        (" no end", "length", 2, 2),
    }
    assert decode([Request("one two three four five six", 0)], Sampling(n=3)) == [[]]
    (cut,) = decode([Request("a", 0)], Sampling(n=5, max_tokens=2))
    assert {(sample.tokens, sample.ended) for sample in cut} == {(2, "length")}


def test_fingerprint() -> None:
    assert ECHO.fingerprint() != EchoDecoder(("One two three.",)).fingerprint()
