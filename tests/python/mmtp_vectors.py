"""Runs docs/specs/mmtp-vectors.json: every list but those of zstd, which the standard library has not."""

import json

from mmtp_codec import TLV, Decoder, Refused, counted, encode, varint
from mmtp_receiver import Receiver

HELLO = "181a0101030161050101071007070707070707070707070707070707"
WELCOME = "200101"


def plain(value):
    """As JSON has it: bytes in hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def as_json(frame):
    out = plain({name: part for name, part in frame.items() if name not in ("tlvs", "size")})
    if "tlvs" in frame:
        out["tlvs"] = [
            {"type": kind, **({"name": TLV[kind][0]} if kind in TLV else {}), "value": plain(value)}
            for kind, value in frame["tlvs"]
        ]
    return out


def frame_of(vector):
    decoder = Decoder()
    decoder.feed(bytes.fromhex(vector["hex"]))
    frame = decoder.next()
    assert as_json(frame) == vector["frame"], as_json(frame)
    assert not decoder.buffer
    if frame["type"] != "ignored":
        assert encode(frame).hex() == vector["hex"], encode(frame).hex()


def greeted(to):
    """A receiver in the state that `to` names."""
    receiver = Receiver("client" if to == "client" else "server")
    if to != "first":
        receiver.feed(bytes.fromhex(HELLO if to == "server" else WELCOME))
        assert receiver.next()
    if to == "client":
        receiver.calls[1, 1] = "asked"
    return receiver


def refused(vector):
    data = bytes.fromhex(vector["hex"])
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        receiver = greeted(vector["to"])
        try:
            for piece in pieces:
                receiver.feed(piece)
                while receiver.next():
                    pass
        except Refused as error:
            assert error.code == vector["code"], error
        else:
            raise AssertionError("not refused")


def answered(vector):
    receiver = greeted("server")
    receiver.feed(bytes.fromhex(vector["hex"]))
    assert receiver.next()["answer"] == (vector["status"], vector["error"])
    assert receiver.next() is None


def proof(vector):
    parts = [bytes.fromhex(vector[name]) for name in ("device", "nonce", "resume")]
    text = b"mmtp/1 resume\0" + b"".join(map(counted, [vector["authority"].encode(), *parts]))
    assert text.hex() == vector["signed"], text.hex()


def call_id(vector):
    key = bytes.fromhex(vector["nonce"]) + varint(vector["channel"]) + varint(vector["sequence"])
    assert key.hex() == vector["idempotency_key"]


def run(path):
    """Prints what fails, then how many of which list were run; gives the number that failed."""
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    lists = {
        "frames": (frame_of, vectors["frames"]),
        "refused": (refused, vectors["refused"]["vectors"]),
        "answered": (answered, vectors["answered"]),
        "proofs": (proof, vectors["proofs"]),
        "call_ids": (call_id, vectors["call_ids"]),
    }
    failed = 0
    for name, (check, all_of_it) in lists.items():
        for at, vector in enumerate(all_of_it):
            try:
                check(vector)
            except (AssertionError, Refused) as error:
                failed += 1
                print(f"FAILED {name}/{at} {vector.get('name', '')}: {error}")
        print(f"{name} {len(all_of_it)}")
    return failed
