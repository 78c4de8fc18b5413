"""Weights from elsewhere: what a file holds, which model it is of, and a backbone of ours made from it."""
