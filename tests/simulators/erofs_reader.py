"""Read an EROFS image back as Linux reads it: enough of it for what is written by us."""

import stat
import struct

BLOCK = 4096


class Image:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        magic, _, _, bits, _, root, self.inodes = struct.unpack_from("<IIIBBHQ", raw, 1024)
        self.blocks, self.meta = struct.unpack_from("<II", raw, 1024 + 36)
        assert (magic, bits) == (0xE0F5E1E2, 12)
        self.root = root

    def inode(self, number: int) -> dict:
        at = self.meta * BLOCK + number * 32
        fields = struct.unpack_from("<HHHHQIIIIQII", self.raw, at)
        layout, count, mode, _, size, start, _, uid, gid, seconds, nanoseconds, links = fields
        assert layout == 1
        return {
            "mode": mode,
            "owner": (uid, gid),
            "mtime": seconds * 10**9 + nanoseconds,
            "links": links,
            "content": self.raw[start * BLOCK : start * BLOCK + size],
            "xattrs": self._xattrs(at + 64, count),
        }

    def entries(self, number: int) -> dict[bytes, int]:
        content = self.inode(number)["content"]
        found = {}
        for begin in range(0, len(content), BLOCK):
            block = content[begin : begin + BLOCK]
            count = struct.unpack_from("<QH", block)[1] // 12
            rows = [struct.unpack_from("<QHB", block, row * 12) for row in range(count)]
            ends = [row[1] for row in rows[1:]] + [len(block)]
            for (inode, name, _), end in zip(rows, ends, strict=True):
                found[block[name:end].rstrip(b"\0")] = inode
        assert list(found) == sorted(found)  # a kernel looks for names by halving
        return found

    def paths(self) -> dict[bytes, dict]:
        found = {}
        waiting = [(b".", self.root)]
        while waiting:
            path, number = waiting.pop()
            found[path] = self.inode(number) | {"number": number}
            if stat.S_ISDIR(found[path]["mode"]):
                below = self.entries(number)
                waiting += [(path + b"/" + name, each) for name, each in below.items() if name not in (b".", b"..")]
        return found

    def _xattrs(self, at: int, count: int) -> dict[str, bytes]:
        end = at + 12 + (count - 1) * 4 if count else at
        at += 12
        found = {}
        while at < end:
            name_size, index, size = struct.unpack_from("<BBH", self.raw, at)
            name = self.raw[at + 4 : at + 4 + name_size].decode()
            prefix = {1: "user.", 4: "trusted.", 6: "security."}[index]
            found[prefix + name] = self.raw[at + 4 + name_size :][:size]
            at += (4 + name_size + size + 3) // 4 * 4
        return found
