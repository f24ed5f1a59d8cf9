"""Benchmarks, run from the project's root: `python -m bench.run`, `bench.tuning`, `bench.memory`. Not packaged."""
