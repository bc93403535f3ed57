"""Runs in a virtual machine with a Linux kernel of a chosen version."""
