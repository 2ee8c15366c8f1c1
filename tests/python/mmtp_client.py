"""A client of MMTP, version 1, of the standard library alone: what docs/specs/mmtp.md says, once more.

    mmtp_client.py --plain HOST:PORT call OPERATION DATA
    mmtp_client.py --tls HOST:PORT --ca FILE call OPERATION DATA
    mmtp_client.py --post HOST:PORT call OPERATION DATA
    mmtp_client.py vectors docs/specs/mmtp-vectors.json

It is for trying servers and for reading. One thread; it compresses nothing and resumes nothing.
"""

import argparse
import collections
import http.client
import os
import socket
import ssl
import sys
import time

from mmtp_codec import MAX_FRAME, Refused, encode
from mmtp_receiver import WINDOW, Receiver

CHUNK = 4096
HEAD = 32  # more than the numbers before the block and the data take
SILENCE = (1.5, 3.0, 5.0)  # a PING, another, and the end: section 11


class Closed(Exception):
    """The connection is over: `code` as in section 8, `frame` the CLOSE of the server if it sent one."""

    def __init__(self, code, why, frame=None):
        super().__init__(f"{code}: {why}")
        self.code, self.frame = code, frame


class DeadlinePassed(Exception):
    """No answer within a call's deadline; the call was cancelled."""


class Cancelled(Exception):
    """The server broke the answer off."""


def tlv(frame, kind, default=None):
    return dict(frame.get("tlvs", ())).get(kind, default)


class Call:
    """A call in flight, then its answer."""

    def __init__(self, channel, sequence, deadline):
        self.channel, self.sequence, self.deadline = channel, sequence, deadline
        self.status, self.error, self.fields, self.trailers = None, 0, {}, {}
        self.body, self.done, self.cancelled = bytearray(), False, False

    def take(self, frame):
        fields = {value["name"]: value["value"] for kind, value in frame.get("tlvs", ()) if kind == 0x15}
        if frame["type"] == "RESPONSE":
            self.status, self.error = frame["status"] or 200, tlv(frame, 0x42, 0)
            self.fields = fields
        else:
            self.trailers.update(fields)
        self.body += frame["data"]
        self.done = not frame["more"]


class Post:
    """The short form as a stream: what is sent before anything is received is the body of a POST, what is received that of its answer."""

    def __init__(self, host, port, path="/.well-known/mmtp"):
        self.http, self.path = http.client.HTTPConnection(host, port, timeout=30), path
        self.body, self.answer = bytearray(), None

    def sendall(self, data):
        if not self.answer:  # behind the end of the body nothing can be said
            self.body += data

    def recv(self, most):
        if not self.answer:
            self.http.request("POST", self.path, bytes(self.body), {"Content-Type": "application/mmtp"})
            self.answer = self.http.getresponse()
            if self.answer.status != 200:
                raise Closed(4002, f"the answer is no MMTP: HTTP status {self.answer.status}")
        return self.answer.read1(most)

    def settimeout(self, seconds):
        pass  # a conversation has no heartbeat and no silence

    def close(self):
        self.http.close()


class Client:
    """One connection. `on_delivery(channel, data)` takes what the server sends; ACK follows its return."""

    def __init__(self, stream, app="python", device=b"python", authority=None, auth=None, fields=(),
                 on_delivery=None):
        self.stream, self.receiver = stream, Receiver("client")
        self.on_delivery = on_delivery or (lambda channel, data: None)
        self.calls, self.operations, self.acked, self.users = {}, {}, {}, {}
        self.sequences = collections.Counter()
        self.taken, self.pieces, self.pongs = collections.Counter(), {}, set()
        self.epoch, self.pinged, self.goaway = int(auth is not None), 0, None
        self.nonce, self.welcome, self.max_frame = os.urandom(16), None, MAX_FRAME
        tlvs = [("APP", app), ("DEVICE", device), ("NONCE", self.nonce)]
        tlvs += [("FIELD", {"name": name, "value": value}) for name, value in fields]
        if authority:
            tlvs.append(("AUTHORITY", authority))
        if auth:
            tlvs += [("AUTH", {"scheme": auth[0], "credential": auth[1]}), ("EPOCH", 1)]
        tlvs.append((0x3F00 + 2 * (self.nonce[0] & 127), self.nonce[:1]))  # grease
        self._send({"type": "HELLO", "lowest": 1, "highest": 1, "tlvs": tlvs})

    @classmethod
    def plain(cls, host, port, **options):
        stream = socket.create_connection((host, port), timeout=10)
        stream.sendall(b"MMTP/\x01")
        return cls(stream, **options)

    @classmethod
    def tls(cls, host, port, ca=None, name=None, **options):
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["mmtp/1"])
        stream = socket.create_connection((host, port), timeout=10)
        stream = context.wrap_socket(stream, server_hostname=name or host)
        if stream.selected_alpn_protocol() != "mmtp/1":
            stream.close()
            raise Closed(4002, "the server does not speak mmtp/1 here")
        return cls(stream, **options)

    @classmethod
    def post(cls, host, port, **options):
        """Calls that are begun go in one POST when the first is waited for; no more than 65,536 bytes of them."""
        return cls(Post(host, port), **options)

    # Calls.

    def begin(self, operation=None, data=b"", target=None, params=(), query=None, fields=(), deadline=None,
              priority=None, channel=1):
        """Sends a request, by the name of its operation or by `target`, (method, path); gives the Call."""
        tlvs = [("FIELD", {"name": name, "value": value}) for name, value in fields]
        tlvs += [("PARAM", {"name": name, "value": value}) for name, value in params]
        number, sequence = 0, self._next(channel)
        if target:
            tlvs.append(("TARGET", {"method": target[0], "target": target[1]}))
        else:
            number = self._number(channel, operation, tlvs)
        for name, value in (("QUERY", query), ("PRIORITY", priority)):
            if value is not None:
                tlvs.append((name, value))
        if deadline is not None:
            tlvs.append(("DEADLINE", int(deadline * 1000)))
        call = Call(channel, sequence, None if deadline is None else time.monotonic() + deadline)
        self.calls[channel, sequence] = call
        self.receiver.calls[channel, sequence] = "asked"
        head = {"type": "REQUEST", "channel": channel, "sequence": sequence, "operation": number}
        self._send_message(head, tlvs, data, stop=lambda: call.done or call.cancelled)
        return call

    def wait(self, call):
        """The call with its answer. Raises DeadlinePassed, Cancelled or Closed."""
        while not (call.done or call.cancelled):
            if not self.receive(call.deadline):
                self._send({"type": "CANCEL", "channel": call.channel, "sequence": call.sequence, "code": 2})
                self.receiver.calls[call.channel, call.sequence] = "cancelled"
                del self.calls[call.channel, call.sequence]
                raise DeadlinePassed
        del self.calls[call.channel, call.sequence]
        if call.cancelled:
            raise Cancelled
        return call

    def call(self, operation=None, data=b"", **options):
        return self.wait(self.begin(operation, data, **options))

    # Messages, users, the connection.

    def deliver(self, channel, data):
        """Sends a DELIVERY and waits until the server has taken it over."""
        sequence = self._next(channel)
        head = {"type": "DELIVERY", "channel": channel, "sequence": sequence}
        self.receiver.sent[channel] = sequence
        self._send_message(head, [], data)
        while self.acked.get(channel, 0) < sequence:
            self.receive()

    def login(self, scheme=None, credential=None):
        """Changes the user, to nobody without a credential; gives the USER."""
        self.epoch += 1
        tlvs = [("AUTH", {"scheme": scheme, "credential": credential})] if scheme else []
        self._send({"type": "LOGIN", "epoch": self.epoch, "tlvs": tlvs})
        while self.epoch not in self.users:
            self.receive()
        return self.users[self.epoch]

    def ping(self):
        """A PING and its PONG."""
        number = self._ping()
        while number not in self.pongs:
            self.receive()

    def close(self):
        try:
            self._send({"type": "CLOSE", "code": 1000})
        except OSError:
            pass
        self.stream.close()

    # Sending.

    def _next(self, channel):
        if self.goaway:
            raise Closed(self.goaway["code"], "no new calls on this connection", self.goaway)
        self.sequences[channel] += 1
        return self.sequences[channel]

    def _number(self, channel, operation, tlvs):
        """The operation's number on this channel; the first use gives it its name, and 0 is for no number."""
        number = self.operations.get((channel, operation), 0)
        if not number:
            tlvs.append(("OPERATION", operation))
            if len(self.operations) < 256:  # what holds without the setting
                number = self.operations[channel, operation] = len(self.operations) + 1
        return number

    def _send(self, frame):
        self.stream.settimeout(10)
        self.stream.sendall(encode(frame))

    def _send_message(self, head, tlvs, data, stop=lambda: False):
        """Cuts a message into frames, as credit comes. `stop` says when its rest is of no use any more."""
        channel, rest, frame = head["channel"], memoryview(data), dict(head, tlvs=tlvs)
        block = len(encode(dict(frame, data=b""))) - len(encode(dict(head, data=b"")))
        while True:
            while self.receiver.credit(channel) <= block and (rest or block) and not stop():
                self.receive()
            room = max(min(CHUNK, self.max_frame - HEAD - block, self.receiver.credit(channel) - block), 0)
            piece, rest = (b"", b"") if stop() else (bytes(rest[:room]), rest[room:])
            self.receiver.spend(channel, block + len(piece))
            self._send(dict(frame, more=bool(rest), data=piece))
            if not rest:
                return
            frame = {"type": "DATA", "channel": channel, "sequence": head["sequence"]}
            block = 0

    def _ping(self):
        self.pinged = (self.pinged + 1) % 256
        self.pongs.discard(self.pinged)
        self._send({"type": "PING", "number": self.pinged})
        return self.pinged

    # Receiving.

    def receive(self, deadline=None):
        """Takes a frame; False when `deadline` has passed first. Silence is asked whether it is death."""
        silent, pings = time.monotonic(), 0
        while True:
            try:
                frame = self.receiver.next()
            except Refused as refused:
                self._send({"type": "CLOSE", "code": refused.code})
                self.stream.close()
                raise Closed(refused.code, str(refused)) from None
            if frame:
                self._take(frame)
                return True
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return False
            if now - silent >= SILENCE[pings]:
                if pings == 2:
                    raise Closed(1003, "nothing came back")
                self._ping()
                pings += 1
            until = silent + SILENCE[pings]
            until = until if deadline is None else min(until, deadline)
            self.stream.settimeout(max(until - now, 0.001))
            try:
                data = self.stream.recv(65536)
            except socket.timeout:
                continue
            if not data:
                raise Closed(1000, "the connection ended without CLOSE")
            self.receiver.feed(data)

    def _take(self, frame):
        kind, key = frame["type"], (frame.get("channel"), frame.get("sequence"))
        if kind == "PING":
            self._send({"type": "PONG", "number": frame["number"]})
        elif kind == "PONG":
            self.pongs.add(frame["number"])
        elif kind == "WELCOME":
            self.welcome = frame
            self.max_frame = max(tlv(frame, 0x16, {}).get("max_frame", MAX_FRAME), 1024)
        elif kind == "USER":
            self.users[frame["epoch"]] = frame
        elif kind == "GOAWAY":
            self.goaway = frame
        elif kind == "CLOSE":
            self.stream.close()
            raise Closed(frame["code"], tlv(frame, 0x48, "the server closed"), frame)
        elif kind == "ACK":
            self.acked[key[0]] = key[1]
        elif kind == "CANCEL":
            self.pieces.pop(key, None)
            if key in self.calls:
                self.calls[key].cancelled = True
        elif "data" in frame:
            self._give_back(key[0], frame["cost"])
            if key in self.calls and not frame.get("ignored"):
                self.calls[key].take(frame)
            elif key[0] in (2, 3, 4) or 8 <= key[0] <= 15:
                self._message(key, frame)

    def _message(self, key, frame):
        """A piece of a MESSAGE or DELIVERY; whole, it is handed on, and a DELIVERY acknowledged."""
        begun = self.pieces.setdefault(key, (frame, bytearray()))
        begun[1].extend(frame["data"])
        if frame["more"]:
            return
        first, data = self.pieces.pop(key)
        if not first["dropped"]:
            self.on_delivery(key[0], bytes(data))
        if first["type"] == "DELIVERY":
            self._send({"type": "ACK", "channel": key[0], "sequence": key[1]})

    def _give_back(self, channel, cost):
        """Credit for what was taken, of the channel and of the connection, half a window at a time."""
        for which in (channel, 0):
            self.taken[which] += cost
            if self.taken[which] >= WINDOW // 2:
                self.receiver.grant(which, self.taken[which])
                self._send({"type": "CREDIT", "channel": which, "bytes": self.taken.pop(which)})


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--plain", metavar="HOST:PORT")
    options.add_argument("--tls", metavar="HOST:PORT")
    options.add_argument("--post", metavar="HOST:PORT", help="the short form, over plain HTTP")
    options.add_argument("--ca", metavar="FILE")
    options.add_argument("--name", help="the server's name, where it is not HOST")
    options.add_argument("--bearer", metavar="CREDENTIAL")
    options.add_argument("command", nargs="+", metavar="call OPERATION DATA | vectors FILE")
    given = options.parse_args()
    if given.command[0] == "vectors" and len(given.command) == 2:
        from mmtp_vectors import run

        return run(given.command[1])
    where = given.plain or given.tls or given.post
    if given.command[0] != "call" or len(given.command) != 3 or not where:
        options.error("want `call OPERATION DATA` with --plain, --tls or --post, or `vectors FILE`")
    host, _, port = where.rpartition(":")
    auth = ("Bearer", given.bearer) if given.bearer else None
    if given.plain:
        client = Client.plain(host, int(port), auth=auth)
    elif given.post:
        client = Client.post(host, int(port), auth=auth)
    else:
        client = Client.tls(host, int(port), ca=given.ca, name=given.name, auth=auth)
    answer = client.call(given.command[1], given.command[2].encode(), deadline=30)
    client.close()
    print(answer.status, answer.error or "", file=sys.stderr)
    sys.stdout.buffer.write(answer.body)
    return 0 if answer.status < 400 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Closed, DeadlinePassed, Cancelled, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
