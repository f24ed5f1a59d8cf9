"""WHO LEARNS. The T5 student (later issues): nothing lives here yet."""
