"""The operations side: images, compose, Kubernetes, dashboards, alerts, traces, each checked by the tool that will read it."""
