"""Losses: how far scores are from targets. All take logits, compute in float32 at least, and give one scalar."""
