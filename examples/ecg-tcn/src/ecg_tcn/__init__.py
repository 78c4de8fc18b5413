"""Dilated temporal convolutional networks for ECGs. Kept empty, so that importing it is instant."""
