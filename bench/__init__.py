"""Measurements: one file a subject; `python -m bench` runs them. Never imported by tests."""
