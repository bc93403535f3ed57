"""A traced run: chosen system calls are handed on, told as signs, and let go on."""
