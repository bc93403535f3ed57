"""Compare what two layers hold: entries by path, and the archive around entries that are equal."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pipeline.digests.differences import Cause, Difference
from pipeline.digests.headers import header_differences
from pipeline.digests.lines import changed_lines
from pipeline.digests.places import Stored
from pipeline.digests.trees import Close, Item, LayerTree, look_closer
from runtime.canonical import to_text
from runtime.data import dataclass, replace
from runtime.oci.tar import Kind

KINDS = {
    Kind.FILE: "file",
    Kind.DIRECTORY: "directory",
    Kind.SYMLINK: "symbolic link",
    Kind.HARDLINK: "hard link",
}

_MOST_CLOSE = 20  # entries whose lines and headers are shown: for them a layer is read a second time
_MOST = 100_000
_UNSEEN = Close(header=b"", content=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A layer, or several as one, and what it holds."""

    layers: tuple[Stored, ...]
    tree: LayerTree


def entry_differences(one: LayerTree, two: LayerTree, where: str) -> Iterator[Difference]:
    """Yield how the entries of two trees differ, by path, at most 100,000: what a program in the image may see."""
    yield from islice(_entry_differences(one, two, where), _MOST)


def archive_differences(one: Looked, two: Looked, where: str) -> Iterator[Difference]:
    """Yield how the archives of two layers differ around entries that are equal."""
    common = [path for path in one.tree.items if path in two.tree.items]
    other = [path for path in two.tree.items if path in one.tree.items]
    if common != other:
        first = next(pair for pair in zip(common, other, strict=True) if pair[0] != pair[1])
        yield Difference(
            cause=Cause.TAR_ORDER, where=where, path=_shown(first[0]), one=_shown(first[0]), two=_shown(first[1])
        )
    if one.tree.repeated != two.tree.repeated:
        texts = (", ".join(map(_shown, each.tree.repeated[:8])) for each in (one, two))
        yield Difference(cause=Cause.TAR_REPEATED, where=where, one=next(texts), two=next(texts))
    unlike = [path for path in common if _is_only_header(one.tree.items[path], two.tree.items[path])]
    yield from _headers(one, two, unlike, where)
    if not set(one.tree.endings) & set(two.tree.endings):
        yield Difference(cause=Cause.TAR_END, where=where, one=one.tree.endings[0], two=two.tree.endings[0])


def with_lines(found: Sequence[Difference], one: Looked, two: Looked) -> Iterator[Difference]:
    """Yield the differences again, the first ones of short text with the lines that changed."""
    paths = {each.path: each.path for each in found if each.cause is Cause.ENTRY_CONTENT}
    wanted = set(islice((path for path in one.tree.items if _shown(path) in paths), _MOST_CLOSE))
    before, after = _close(one, wanted), _close(two, wanted)
    lines = {
        _shown(path): changed_lines(before.get(path, _UNSEEN).content, after.get(path, _UNSEEN).content)
        for path in wanted
    }
    for each in found:
        is_content = each.cause is Cause.ENTRY_CONTENT and bool(lines.get(each.path))
        yield replace(each, lines=lines[each.path]) if is_content else each


def _entry_differences(one: LayerTree, two: LayerTree, where: str) -> Iterator[Difference]:
    for path in sorted(one.items.keys() | two.items.keys()):
        first, second = one.items.get(path), two.items.get(path)
        if first is None or second is None:
            cause = Cause.ENTRY_ADDED if first is None else Cause.ENTRY_REMOVED
            yield Difference(cause=cause, where=where, path=_shown(path), one=_about(first), two=_about(second))
        else:
            for cause, was, now in _fields(first, second):
                yield Difference(cause=cause, where=where, path=_shown(path), one=was, two=now)


def _headers(one: Looked, two: Looked, unlike: Sequence[bytes], where: str) -> Iterator[Difference]:
    """Yield what differs in header blocks: each kind of it once, at the first entry that has it, with their number."""
    wanted = set(unlike[:_MOST_CLOSE])
    before, after = _close(one, wanted), _close(two, wanted)
    found: dict[tuple[str, str], bytes] = {}
    for path in unlike[:_MOST_CLOSE]:
        for pair in header_differences(before[path].header, after[path].header):
            found.setdefault(pair, path)
    more = f" ({len(unlike)} entries)" if len(unlike) > 1 else ""
    for (was, now), path in found.items():
        yield Difference(cause=Cause.TAR_HEADER, where=where, path=_shown(path), one=was, two=now + more)


def _close(looked: Looked, wanted: set[bytes]) -> Mapping[bytes, Close]:
    """Look at entries again; of several layers the upper one has the last word."""
    found: dict[bytes, Close] = {}
    for layer in looked.layers if wanted else ():
        found |= look_closer(layer, wanted)
    return found


def _is_only_header(one: Item, two: Item) -> bool:
    return one.header != two.header and one.entry == two.entry and one.content == two.content


def _fields(one: Item, two: Item) -> Iterator[tuple[Cause, str, str]]:
    a, b = one.entry, two.entry
    if a.kind is not b.kind:
        yield Cause.ENTRY_TYPE, _about(one), _about(two)
        return
    if one.content != two.content:
        yield Cause.ENTRY_CONTENT, _content(one), _content(two)
    pairs = (
        (Cause.ENTRY_TARGET, _shown(a.target), _shown(b.target)),
        (Cause.ENTRY_MODE, f"{a.mode:04o}", f"{b.mode:04o}"),
        (Cause.ENTRY_OWNER, f"{a.uid}:{a.gid}", f"{b.uid}:{b.gid}"),
        (Cause.ENTRY_TIME, str(a.mtime), str(b.mtime)),
        (Cause.ENTRY_XATTRS, _xattrs(one), _xattrs(two)),
    )
    yield from (each for each in pairs if each[1] != each[2])


def _about(item: Item | None) -> str:
    if item is None:
        return ""
    target = f" to {_shown(item.entry.target)}" if item.entry.target else ""
    content = f", {_content(item)}" if item.content else ""
    return f"{KINDS[item.entry.kind]}{target}, mode {item.entry.mode:04o}{content}"


def _content(item: Item) -> str:
    return f"{item.entry.size} bytes, sha256:{item.content.hex()}"


def _xattrs(item: Item) -> str:
    return ", ".join(f"{key}={value.hex()}" for key, value in sorted(item.entry.xattrs.items()))


def _shown(path: bytes) -> str:
    return to_text(path) or "."
