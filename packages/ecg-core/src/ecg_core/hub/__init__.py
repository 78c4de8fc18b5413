"""The hub: a trained model as a folder that explains itself, and as a repository others can load."""
