"""Tasks: what a backbone with a head is asked: classes of a window, labels of every sample, numbers."""
