"""Training: the loop, its checkpoints, and the verbs of the toolkit."""
