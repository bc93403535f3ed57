import os

block = b"the same line again and again\n" * 4096
for _ in range(1_300_000_000 // len(block)):
    os.write(1, block)
