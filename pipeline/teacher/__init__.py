"""WHO WRITES. Decoders, and later product of experts, adapter and its RL."""
