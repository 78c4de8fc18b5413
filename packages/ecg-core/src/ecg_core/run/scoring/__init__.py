"""What a run is worth: its answers on held-out recordings, judged by :mod:`ecg_core.evaluation`."""
