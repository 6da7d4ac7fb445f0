"""Weights that our own training made, each with a card beside it."""
