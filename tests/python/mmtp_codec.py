"""Frames of MMTP, version 1: bytes to dicts and back, written from docs/specs/mmtp.md.

A frame is a dict: `type`, then the numbers of its head by name; `tlvs`, a list of (type, value), where
it has some; and for REQUEST, RESPONSE, DATA, MESSAGE and DELIVERY `more`, `zstd` and `data`.
"""

import re

MAX_FRAME = 16384
MORE, TLVS, ZSTD = 1, 2, 4
MALFORMED, TOO_LARGE = 4002, 4003

# Type, name, the numbers of the head, and what follows them: TLVs, a block and data, or nothing.
_U8, _VARINT = "u8", "varint"
FRAMES = {
    1: ("PING", _U8, ("number",), None),
    2: ("PONG", _U8, ("number",), None),
    3: ("HELLO", _U8, ("lowest", "highest"), "tlvs"),
    4: ("WELCOME", _U8, ("version",), "tlvs"),
    5: ("REQUEST", _VARINT, ("channel", "sequence", "operation"), "data"),
    6: ("RESPONSE", _VARINT, ("channel", "sequence", "status"), "data"),
    7: ("DATA", _VARINT, ("channel", "sequence"), "data"),
    8: ("MESSAGE", _VARINT, ("channel", "sequence"), "data"),
    9: ("DELIVERY", _VARINT, ("channel", "sequence"), "data"),
    10: ("ACK", _VARINT, ("channel", "sequence"), None),
    11: ("CANCEL", _VARINT, ("channel", "sequence", "code"), None),
    12: ("CREDIT", _VARINT, ("channel", "bytes"), None),
    13: ("LOGIN", _VARINT, ("epoch",), "tlvs"),
    14: ("USER", _VARINT, ("epoch", "status"), "tlvs"),
    15: ("UPDATE", _VARINT, (), "tlvs"),
    16: ("GOAWAY", _VARINT, ("code",), "tlvs"),
    17: ("CLOSE", _VARINT, ("code",), "tlvs"),
}
NUMBERS = {row[0]: number for number, row in FRAMES.items()}


class Refused(Exception):
    """What ends a connection, with the code of section 8."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code = code


class BadValue(Exception):
    """A TLV whose value is not what its row says: refuses a REQUEST, ends a connection elsewhere."""


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def counted(raw):
    """`str`: the length, then the bytes."""
    return varint(len(raw)) + raw


class Reader:
    """Takes pieces from the front of bytes; `error` is raised where they end too early."""

    def __init__(self, data, error):
        self.data, self.at, self.error = data, 0, error

    def left(self):
        return len(self.data) - self.at

    def take(self, count=None):
        count = self.left() if count is None else count
        if count > self.left():
            raise self.error("ends too early")
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def u8(self):
        return self.take(1)[0]

    def varint(self, bits=32):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if value >> bits or (byte == 0 and shift > 7):
                raise self.error("a varint that is too large or too long")
            if byte < 0x80:
                return value
            if shift >= bits:
                raise self.error("a varint that is too long")

    def str(self):
        return self.take(self.varint())


def _text(raw):
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise BadValue("no UTF-8") from None
    if any(c < " " or c == "\x7f" for c in text):
        raise BadValue("a control character")
    return text


def _name(raw):
    if not re.fullmatch(rb"[a-z0-9!#$%&'*+.^_`|~-]{1,256}", raw):
        raise BadValue("a field's name")
    return raw.decode()


def _field_value(raw):
    if any(byte in b"\0\r\n" for byte in raw):
        raise BadValue("a field's value")
    return raw.decode("latin-1")


# What values are made of: how a part is read, and how it is written.
U8 = (Reader.u8, lambda v: bytes([v]))
VARINT = (Reader.varint, varint)
VARINT64 = (lambda r: r.varint(64), varint)
NAME = (lambda r: _name(r.str()), lambda v: counted(v.encode()))
STR = (lambda r: _text(r.str()), lambda v: counted(v.encode()))
VALUE = (lambda r: _field_value(r.take()), lambda v: v.encode("latin-1"))
ID = (lambda r: r.take(16), bytes)


def _sized(least, most, raw):
    if not least <= len(raw) <= most:
        raise BadValue(f"{len(raw)} bytes, not {least} to {most}")
    return raw


def text(least=0, most=MAX_FRAME):
    return (lambda r: _text(_sized(least, most, r.take())), str.encode)


def raw(least=0, most=MAX_FRAME):
    return (lambda r: _sized(least, most, r.take()), bytes)


def record(**parts):
    def write(value):
        return b"".join(put(value[name]) for name, (_, put) in parts.items())

    return (lambda r: {name: get(r) for name, (get, _) in parts.items()}, write)


def several(part, least=0, most=64):
    def read(r):
        out = []
        while r.left():
            out.append(part[0](r))
        return _sized(least, most, out)

    return (read, lambda v: b"".join(part[1](one) for one in v))


SETTINGS = ("connection_window", "channel_window", "max_frame", "max_message", "max_operations", "max_calls")


def _read_settings(r):
    pairs = several(record(key=VARINT, value=VARINT), most=MAX_FRAME)[0](r)
    return {SETTINGS[p["key"] - 1]: p["value"] for p in pairs if 1 <= p["key"] <= len(SETTINGS)}


def _write_settings(value):
    return b"".join(varint(SETTINGS.index(name) + 1) + varint(number) for name, number in value.items())


# Type: name, value, the frames that it is named for; `*` where it may be repeated.
TLV = {
    0x02: ("FEATURES", VARINT, "HELLO WELCOME"),
    0x03: ("APP", text(1, 64), "HELLO"),
    0x04: ("APP_VERSION", text(0, 64), "HELLO"),
    0x05: ("DEVICE", raw(1, 64), "HELLO"),
    0x06: ("PLATFORM", text(0, 128), "HELLO"),
    0x07: ("NONCE", raw(16, 16), "HELLO"),
    0x08: ("NETWORK", record(kind=U8, carrier=text(0, 32)), "HELLO UPDATE"),
    0x09: ("AUTH", record(scheme=STR, credential=VALUE), "HELLO LOGIN"),
    0x0A: ("RESUME", raw(0, 1024), "HELLO"),
    0x0C: ("DEVICE_KEY", record(kind=U8, key=raw()), "HELLO"),
    0x0E: ("PROOF", raw(64, 64), "HELLO"),
    0x0F: ("AUTHORITY", text(0, 255), "HELLO"),
    0x10: ("DICTIONARIES", several(ID), "HELLO UPDATE"),
    0x12: ("CURSOR", record(channel=VARINT, cursor=raw(0, 64)), "HELLO WELCOME UPDATE *"),
    0x14: ("STATE", U8, "HELLO UPDATE"),
    0x15: ("FIELD", record(name=NAME, value=VALUE), "HELLO REQUEST RESPONSE DATA *"),
    0x16: ("SETTINGS", (_read_settings, _write_settings), "HELLO WELCOME"),
    0x17: ("EPOCH", VARINT, "HELLO"),
    0x18: ("LEARNT", VARINT, "UPDATE"),
    0x20: ("SERVER_TIME", VARINT64, "WELCOME USER"),
    0x22: ("CONNECTION", VARINT64, "WELCOME"),
    0x24: ("HEARTBEAT", several(VARINT, 3, 3), "WELCOME UPDATE"),
    0x26: ("TOKEN", record(seconds=VARINT, token=raw(0, 1024)), "WELCOME USER UPDATE"),
    0x28: ("RESUMED", U8, "WELCOME UPDATE"),
    0x2A: ("USER_ID", text(0, 128), "WELCOME USER"),
    0x2C: ("ALTERNATE", text(), "WELCOME UPDATE GOAWAY CLOSE *"),
    0x2E: ("DICTIONARY", record(number=VARINT, identity=ID, channel=VARINT, operation=text()), "WELCOME *"),
    0x31: ("ENCODED_WITH", VARINT, "REQUEST RESPONSE MESSAGE DELIVERY"),
    0x33: ("OPERATION", text(1, 128), "REQUEST"),
    0x35: ("TARGET", record(method=STR, target=text()), "REQUEST"),
    0x37: ("PARAM", record(name=STR, value=text()), "REQUEST *"),
    0x39: ("QUERY", text(), "REQUEST"),
    0x3A: ("DEADLINE", VARINT, "REQUEST"),
    0x3C: ("PRIORITY", U8, "REQUEST"),
    0x3F: ("CALL_ID", raw(8, 32), "REQUEST"),
    0x40: ("ATTEMPT", VARINT, "REQUEST"),
    0x42: ("ERROR", VARINT, "RESPONSE USER CLOSE"),
    0x44: ("AFTER", VARINT, "RESPONSE GOAWAY CLOSE"),
    0x46: ("JITTER", VARINT, "GOAWAY CLOSE"),
    0x48: ("DETAIL", text(0, 256), "CLOSE USER"),
    0x4A: ("LAST", record(channel=VARINT, sequence=VARINT), "GOAWAY *"),
    0x4C: ("EXPIRES", VARINT, "MESSAGE DELIVERY"),
}
TYPES = {row[0]: number for number, row in TLV.items()}


def known(kind, frame):
    """Whether a TLV of this type has a meaning in a frame of this name."""
    return kind in TLV and frame in TLV[kind][2].split()


def value_of(kind, data):
    """The value of a known TLV, whole. Raises BadValue."""
    reader = Reader(data, BadValue)
    value = TLV[kind][1][0](reader)
    if reader.left():
        raise BadValue("bytes behind the value")
    return value


def write_tlvs(pairs):
    """(name or type, value) each, in any order; those that repeat keep theirs."""
    pairs = [(TYPES.get(kind, kind), value) for kind, value in pairs]
    out = b""
    for kind, value in sorted(pairs, key=lambda pair: pair[0]):
        out += varint(kind) + counted(TLV[kind][1][1](value) if kind in TLV else value)
    return out


def read_tlvs(data, frame):
    """(type, value) each: parsed where it is known and well, else its bytes. Raises Refused.

    In a REQUEST, MESSAGE or DELIVERY a value may be a BadValue: such a frame is refused by itself.
    """
    reader = Reader(data, malformed)
    out, last = [], -1
    while reader.left():
        kind, value = reader.varint(), reader.str()
        repeated = kind in TLV and TLV[kind][2].endswith("*")
        if kind < last or (kind == last and not repeated):
            raise malformed("TLVs out of order")
        last = kind
        alone = frame in ("REQUEST", "MESSAGE", "DELIVERY")
        if known(kind, frame):
            try:
                value = value_of(kind, value)
            except BadValue as bad:
                if not alone:
                    raise malformed(f"{TLV[kind][0]}: {bad}") from None
                value = bad
        elif kind & 1 and not alone:
            raise malformed(f"unknown critical TLV {kind}")
        out.append((kind, value))
    return out


def malformed(why):
    return Refused(MALFORMED, why)


def encode(frame):
    """The bytes of a frame."""
    number = NUMBERS[frame["type"]]
    name, kind, head, tail = FRAMES[number]
    body = b"".join(bytes([frame[n]]) if kind is _U8 else varint(frame[n]) for n in head)
    if name in ("PING", "PONG"):
        return bytes([number << 3]) + body
    flags = 0
    tlvs = write_tlvs(frame.get("tlvs", ()))
    if tail == "tlvs":
        body += tlvs
    elif tail == "data":
        flags = MORE * frame.get("more", False) | ZSTD * frame.get("zstd", False) | TLVS * bool(tlvs)
        body += (counted(tlvs) if tlvs else b"") + frame.get("data", b"")
    return bytes([number << 3 | flags]) + counted(body)


def _decode(number, flags, body):
    name, kind, head, tail = FRAMES[number]
    reader = Reader(body, malformed)
    frame = {"type": name}
    for part in head:
        frame[part] = reader.u8() if kind is _U8 else reader.varint()
    if frame.get("channel", 0) > 255 or frame.get("sequence", 1) == 0:
        raise malformed("a channel above 255 or the sequence 0")
    if tail == "tlvs":
        frame["tlvs"] = read_tlvs(reader.take(), name)
    elif tail == "data":
        frame["size"] = reader.left()
        frame["more"], frame["zstd"] = bool(flags & MORE), bool(flags & ZSTD)
        if flags & TLVS:
            block = reader.str()
            if not block:
                raise malformed("an empty block")
            frame["tlvs"] = read_tlvs(block, name)
            if len(frame["tlvs"]) > 64 or len(block) > 8192:
                raise malformed("too many TLVs")
        frame["data"] = reader.take()
    if reader.left():
        raise malformed("bytes behind the body")
    return frame


class Decoder:
    """Frames out of bytes that come in any pieces."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data

    def next(self):
        """A frame, or None until more has come. Raises Refused as soon as that is certain."""
        if not self.buffer:
            return None
        number, flags = self.buffer[0] >> 3, self.buffer[0] & 7
        if number == 0:
            raise malformed("type 0")
        tail = FRAMES[number][3] if number in FRAMES else None
        allowed = MORE | TLVS | ZSTD if tail == "data" else 0
        if number == NUMBERS["DATA"]:
            allowed = MORE | TLVS
        if number in FRAMES and flags & ~allowed:
            raise malformed("a flag that the type has not")
        reader = Reader(self.buffer, EOFError)
        try:
            reader.u8()
            length = 1 if number in (1, 2) else self._length(reader)
            if reader.at + length > MAX_FRAME:
                raise Refused(TOO_LARGE, "a frame above 16,384 bytes")
            body = reader.take(length)
        except EOFError:
            return None
        del self.buffer[: reader.at]
        if number not in FRAMES:
            return {"type": "ignored", "number": number}
        return _decode(number, flags, body)

    @staticmethod
    def _length(reader):
        """A length that may still be on its way; what it can never become is refused at once."""
        head = bytes(reader.data[1:6])
        whole = any(byte < 0x80 for byte in head)
        if not whole and len(head) < 5:
            raise EOFError
        length = Reader(head, malformed)
        value = length.varint()
        reader.at += length.at
        return value
