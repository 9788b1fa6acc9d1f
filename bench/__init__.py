"""Benchmarks beside named peers, in one run, as ratios; see docs/bench/README.md."""
