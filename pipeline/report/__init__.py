"""Show one verification: one module a format."""
