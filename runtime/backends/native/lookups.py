"""Names that a run asks the name server for that is not there: what such a question says.

Source: RFC 1035, 4.1 and 3.1; RFC 791, 3.1; RFC 768.
"""

_UDP = 8  # bytes of its head
_HEAD = 12  # of a question
_LONGEST_LABEL = 63
_LONGEST_NAME = 255
_ANSWER = 0x80  # the bit QR


def parse_lookup(packet: bytes) -> str | None:
    """Return the name in the first question of a packet, as text without controls; None if it holds no question.

    Args:
        packet: UDP below IPv4, from whoever has sent it.
    """
    if not packet:
        return None
    question = packet[(packet[0] & 0xF) * 4 + _UDP :]
    if len(question) <= _HEAD or question[2] & _ANSWER or not any(question[4:6]):
        return None
    labels: list[str] = []
    at = _HEAD
    while at < min(len(question), _HEAD + _LONGEST_NAME):
        length = question[at]
        if length == 0:
            return ".".join(labels) or "."
        if length > _LONGEST_LABEL:
            return None  # a pointer: in a first question there is nothing to point to
        labels.append(_shown(question[at + 1 : at + 1 + length]))
        at += 1 + length
    return None


def _shown(label: bytes) -> str:
    return "".join(chr(each) if 0x20 < each < 0x7F and each not in b".\\" else f"\\{each:03}" for each in label)
