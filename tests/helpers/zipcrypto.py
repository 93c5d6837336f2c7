"""Writes password-protected zips (ZipCrypto), which Python's zipfile only reads."""

import binascii
import os
import struct
from pathlib import Path


def _table():
    values = []
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = (crc >> 1) ^ 0xEDB88320 if crc & 1 else crc >> 1
        values.append(crc)
    return values


_CRC = _table()


class _Keys:
    def __init__(self, password: bytes) -> None:
        self.keys = [0x12345678, 0x23456789, 0x34567890]
        for byte in password:
            self.update(byte)

    def update(self, byte: int) -> None:
        a, b, c = self.keys
        a = (a >> 8) ^ _CRC[(a ^ byte) & 0xFF]
        b = ((b + (a & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        c = (c >> 8) ^ _CRC[(c ^ (b >> 24)) & 0xFF]
        self.keys = [a, b, c]

    def encrypt(self, content: bytes) -> bytes:
        out = bytearray()
        for byte in content:
            t = self.keys[2] | 2
            out.append(byte ^ (((t * (t ^ 1)) >> 8) & 0xFF))
            self.update(byte)
        return bytes(out)


def write_encrypted_zip(path: Path, files: dict[str, bytes], password: str) -> Path:
    """Write stored entries encrypted with ``password``."""
    local, central = bytearray(), bytearray()
    for name, content in files.items():
        crc = binascii.crc32(content)
        header = os.urandom(11) + bytes([crc >> 24])
        body = _Keys(password.encode()).encrypt(header + content)
        common = struct.pack(
            "<HHHHHIIIHH", 20, 1, 0, 0, 0x21, crc, len(body), len(content), len(name), 0
        )
        central += b"PK\x01\x02" + struct.pack("<H", 20) + common
        central += struct.pack("<HHHII", 0, 0, 0, 0, len(local)) + name.encode()
        local += b"PK\x03\x04" + common + name.encode() + body
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(central), len(local), 0)
    path.write_bytes(bytes(local) + bytes(central) + b"PK\x05\x06" + end)
    return path
