"""What a run says of new recordings: predictions, embeddings, explanations, exported files."""
