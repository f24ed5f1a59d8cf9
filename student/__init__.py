"""WHO LEARNS. The T5 student: training, writing, evaluation."""
