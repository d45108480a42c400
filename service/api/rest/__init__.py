"""The HTTP door: the calls of recognition.v1 as REST, with the same rules as over gRPC, and the playground page."""
