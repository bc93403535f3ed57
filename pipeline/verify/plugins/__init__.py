"""What a suite is given to report its tests: files that are laid into a run and import nothing of ours."""
