"""The native runtime: Linux namespaces, cgroups, overlayfs and seccomp, with root or without."""
