"""Spectrum models: pretrained weights on this machine, and later their training and prediction."""
