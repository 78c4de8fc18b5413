"""What ``ecg plugins new`` writes: plain text with ``$placeholders``, and how it is filled in. Needs neither torch nor NumPy."""
