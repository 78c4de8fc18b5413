"""Challenges: the scores of public challenges, each a pure function of answers and truth, one file each."""
