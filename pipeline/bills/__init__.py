"""What a lock and a build tell others: bills of materials, and how an image came about."""
