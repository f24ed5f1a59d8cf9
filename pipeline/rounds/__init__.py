"""Self-distillation: students learn, write, and are watched."""
