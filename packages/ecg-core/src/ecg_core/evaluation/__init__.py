"""Honest numbers for scores: metrics, patient-wise intervals, charts and a report in one file."""
