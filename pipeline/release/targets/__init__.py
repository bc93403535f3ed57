"""What runs containers: one target a file, all with the same few verbs."""
