"""Batch jobs: any number of images in, one row for each of them out, once, whatever happens on the way."""
