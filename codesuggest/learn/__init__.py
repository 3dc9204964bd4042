"""Fit a model from coded notes, and measure it."""
