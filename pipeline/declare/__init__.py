"""Read what the author of a spec asks for, and show where it is wrong."""
