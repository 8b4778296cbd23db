"""Studies: many packs at once, without a bench. For what a bench would take years to show."""
