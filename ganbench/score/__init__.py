"""Samples to scores: one pass over each side, every metric on the same features, and how it was done."""
