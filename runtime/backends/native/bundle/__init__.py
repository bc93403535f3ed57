"""The native runtime behind an OCI command line: what a bundle asks for is carried out by the kernel, or refused."""
