"""How a run moves weights: optimizers, schedules, rates by layer."""
