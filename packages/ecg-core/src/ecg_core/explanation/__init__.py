"""Pictures a cardiologist can read: ECG paper, and where on it a network looked."""
