"""Tests of the batch jobs."""
