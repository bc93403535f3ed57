"""What happened: images, hosts, and what the kernel reported when one ran on the other."""
