"""How the embedded judge is made: rows, hard pairs, training, soft labels, evaluation, export."""
