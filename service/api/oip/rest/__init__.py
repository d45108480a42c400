"""The HTTP door of the Open Inference Protocol, with the binary tensor extension."""
