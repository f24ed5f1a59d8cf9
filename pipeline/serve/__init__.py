"""Pages on this machine: a run live, its pairs, thresholds, an audit."""
