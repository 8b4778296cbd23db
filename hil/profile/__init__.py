"""Every YAML model and its loader."""
