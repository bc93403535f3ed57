"""Packages of Debian archives: what to take, proven by signed indexes, and what is in them."""
