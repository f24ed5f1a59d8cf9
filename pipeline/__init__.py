"""WHO ORDERS. Stages, runs, shards, the command line."""
