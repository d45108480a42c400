"""Models as files and as live versions: the package format, the repository on disk, the registry, the proof at load."""
