"""The inference service: encoded images in over gRPC, labelled answers out, computed by ONNX Runtime."""
