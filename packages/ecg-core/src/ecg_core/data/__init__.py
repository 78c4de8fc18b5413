"""Recordings and what is made of them: facts, signals, tables, stores. NumPy and pandas."""
