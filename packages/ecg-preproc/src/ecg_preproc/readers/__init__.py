"""Readers: files on disk become records in mV."""
