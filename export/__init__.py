"""Turns a finished training run into a model package: graph → proof against training → calibration → publication."""
