"""What may move on: evidence about an image, who signed it, and what a stage makes of it."""
