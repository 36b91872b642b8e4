"""Weights files of feature extractors, read with care."""
