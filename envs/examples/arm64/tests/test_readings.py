import array
import hashlib
import platform
import struct
import sys

import pytest

import readings

MACHINES = {"x86_64": "little", "aarch64": "little", "s390x": "big"}
PAIRS = [(1_700_000_000, 21.5), (1_700_000_060, -0.25)]


def test_file_is_the_same_on_every_machine():
    digest = hashlib.sha256(readings.pack(PAIRS)).hexdigest()
    assert digest == "30a13fff0bfb67b35f507009c0e407b21f5ed1e771c8ec35422b0e1f2cc4ad17"


def test_what_is_packed_is_unpacked():
    assert readings.unpack(readings.pack(PAIRS)) == PAIRS


def test_other_files_are_refused():
    with pytest.raises(ValueError):
        readings.unpack(b"\0" * 16)


def test_byte_order_is_that_of_the_machine():
    assert sys.byteorder == MACHINES[platform.machine()]


def test_native_words_have_the_byte_order_of_the_machine():
    first = array.array("I", [1]).tobytes()[0]
    assert (first == 1) == (sys.byteorder == "little")
    assert struct.pack("=I", 1) == (1).to_bytes(4, sys.byteorder)


def test_program_of_the_image_is_of_the_machine():
    with open(sys.executable, "rb") as file:
        head = file.read(20)
    order = ">" if head[5] == 2 else "<"
    number = struct.unpack_from(f"{order}H", head, 18)[0]
    assert {62: "x86_64", 183: "aarch64", 22: "s390x"}[number] == platform.machine()
