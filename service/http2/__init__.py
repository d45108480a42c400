"""gRPC over HTTP/2 on the service's own event loop: a second gRPC door, for small calls at a high rate."""
