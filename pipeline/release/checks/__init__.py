"""What a gate checks, one subject a module. Each check has a code of its own, and says what is missing."""
