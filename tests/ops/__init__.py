"""The operations side: images, compose, Kubernetes, dashboards, alerts and traces, each checked by a tool or a run."""
