"""Adaptation: what of a backbone learns when it is fine-tuned, and what is left as pre-training made it."""
