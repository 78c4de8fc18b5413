"""What a run learns: pre-training from recordings alone, fine-tuning from labels."""
