"""The embedded target: a process of our own that keeps the containers of one app in one stage running."""
