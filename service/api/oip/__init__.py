"""The doors of the Open Inference Protocol, version 2: gRPC and REST over one core that knows neither."""
