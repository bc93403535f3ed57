import player

assert player.mixed([1, 100, 200]) == [2, 200, 255]
assert player.gaps(1) < 4
