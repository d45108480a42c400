"""Trains a model of the syllabus and leaves a run: weights, record and predictions, ready for `recognition-export`."""

__version__ = "0.1.0"
