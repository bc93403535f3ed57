"""What it means: specs, locks, images, differences, causes, verdicts, reports."""
