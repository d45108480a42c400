"""The doors of the service: what clients call, and how errors look to them."""
