"""What a side of MMTP makes sure of in what it receives: docs/specs/mmtp.md, sections 4 to 10.

A client needs one half of it. The other is here so that every vector of the page can be tried.
"""

from mmtp_codec import TLV, TOO_LARGE, BadValue, Decoder, Refused, known, malformed

WINDOW, MAX_MESSAGE = 65536, 1048576  # without SETTINGS
MOST_CREDIT = 2**31 - 1
SEQUENCE, FLOW, COMPRESSION, EARLY, VERSION = 4004, 4005, 4006, 4007, 3003
OF_CLIENT = {"HELLO", "REQUEST", "LOGIN"}
OF_SERVER = {"WELCOME", "RESPONSE", "USER", "GOAWAY"}


def is_call(channel):
    return channel == 1 or 16 <= channel <= 31


def is_message(channel):
    return 2 <= channel <= 4 or 8 <= channel <= 15


class Receiver:
    """Frames that came, in order, each allowed where it stands. `role` is "client" or "server".

    `calls` are the client's own: (channel, sequence) to "asked", "answering", "done" or "cancelled";
    `sent` the last number of messages that it sent, by channel. Done calls are kept: a connection of
    this client is short.
    """

    def __init__(self, role):
        self.role, self.decoder, self.greeted = role, Decoder(), False
        self.calls, self.sent, self.epoch = {}, {}, 0
        self.begun, self.open = {}, {}  # the last number of a channel; bytes of what continues
        self.given, self.spent = {}, {}  # credit for us beyond WINDOW, and what we have used
        self.granted, self.came = {}, {}  # credit for them beyond WINDOW, and what they have used
        self.operations = set()

    def feed(self, data):
        self.decoder.feed(data)

    def next(self):
        """The next frame, or None. Raises Refused.

        Frames with data have `cost`, what they count against credit; REQUESTs that are answered at once
        `answer`, (status, error); messages `dropped` where their TLVs are not understood.
        """
        frame = self.decoder.next()
        if frame and frame["type"] != "ignored":
            self._check(frame)
        return frame

    # Credit for what we send.

    def credit(self, channel):
        left = [WINDOW + self.given.get(which, 0) - self.spent.get(which, 0) for which in (channel, 0)]
        return min(left)

    def spend(self, channel, cost):
        for which in (channel, 0):
            self.spent[which] = self.spent.get(which, 0) + cost

    def grant(self, which, count):
        self.granted[which] = self.granted.get(which, 0) + count

    # What comes.

    def _check(self, frame):
        kind = frame["type"]
        if kind in (OF_CLIENT if self.role == "client" else OF_SERVER):
            raise malformed(f"a {kind} for a {self.role}")
        first = "HELLO" if self.role == "server" else "WELCOME"
        if not self.greeted and kind not in (first, "CLOSE"):
            raise Refused(EARLY, f"a {kind} before {first}")
        if "channel" in frame:
            self._channel(kind, frame["channel"])
        check = getattr(self, "_" + kind.lower(), None)
        if check:
            check(frame)

    @staticmethod
    def _channel(kind, channel):
        if kind in ("REQUEST", "RESPONSE"):
            fits = is_call(channel)
        elif kind in ("MESSAGE", "DELIVERY", "ACK"):
            fits = is_message(channel)
        else:
            fits = is_call(channel) or is_message(channel) or (kind == "CREDIT" and channel == 0)
        if not fits:
            raise malformed(f"a {kind} on channel {channel}")

    def _hello(self, frame):
        if self.greeted:
            raise malformed("a second HELLO")
        here = dict(frame["tlvs"])
        if not 1 <= frame["lowest"] <= frame["highest"] or not {3, 5, 7} <= here.keys():
            raise malformed("a range upside down, or APP, DEVICE or NONCE not there")
        if frame["lowest"] > 1:
            raise Refused(VERSION, "no version in common")
        self.greeted, self.epoch = True, here.get(0x17, 0)

    def _welcome(self, frame):
        if self.greeted:
            raise malformed("a second WELCOME")
        self.greeted = True
        settings = dict(frame["tlvs"]).get(0x16, {})
        self.given[0] = max(settings.get("connection_window", WINDOW), WINDOW) - WINDOW
        grown = max(settings.get("channel_window", WINDOW), WINDOW) - WINDOW
        self.given.update((channel, grown) for channel in range(1, 32))
        self._update(frame)

    def _update(self, frame):
        beat = dict(frame["tlvs"]).get(0x24)
        if beat and (0 in beat or not beat[1] <= beat[0] <= beat[2]):
            raise malformed("a HEARTBEAT out of its own range")

    def _login(self, frame):
        if frame["epoch"] != self.epoch + 1 or any(is_message(channel) for channel, _ in self.open):
            raise malformed("an epoch that is not the next one, or within a message")
        self.epoch += 1

    def _credit(self, frame):
        which, count = frame["channel"], frame["bytes"]
        total = WINDOW + self.given.get(which, 0) - self.spent.get(which, 0) + count
        if count == 0:
            raise malformed("a CREDIT of nothing")
        if total > MOST_CREDIT:
            raise Refused(FLOW, "credit beyond 2^31 - 1")
        self.given[which] = self.given.get(which, 0) + count

    def _ack(self, frame):
        if frame["sequence"] > self.sent.get(frame["channel"], 0):
            raise Refused(SEQUENCE, "an ACK of what was not sent")

    def _cancel(self, frame):
        key = frame["channel"], frame["sequence"]
        self.open.pop(key, None)
        if key in self.calls:
            self.calls[key] = "done"

    # What has data.

    def _count(self, frame):
        """Its bytes against credit: block with its length, and data."""
        frame["cost"] = cost = frame.pop("size")
        if frame["zstd"]:
            raise Refused(COMPRESSION, "compressed, which was never said to be taken")
        for which in (frame["channel"], 0):
            self.came[which] = self.came.get(which, 0) + cost
            if self.came[which] > WINDOW + self.granted.get(which, 0):
                raise Refused(FLOW, "credit was exceeded")

    def _begin(self, frame):
        channel, sequence = frame["channel"], frame["sequence"]
        inside = is_message(channel) and any(own == channel for own, _ in self.open)
        if sequence != self.begun.get(channel, 0) + 1 or inside:
            raise Refused(SEQUENCE, "a number used again or left out, or a message within a message")
        self.begun[channel] = sequence
        self._count(frame)
        if frame["more"]:
            self.open[channel, sequence] = 0
            self._grow(frame)

    def _grow(self, frame):
        """A message is handed on whole, so its length has a limit; a request is passed on as it comes."""
        key = frame["channel"], frame["sequence"]
        self.open[key] += len(frame["data"])
        if is_message(key[0]) and self.open[key] > MAX_MESSAGE:
            raise Refused(TOO_LARGE, "a message beyond max_message")

    def _message(self, frame):
        self._begin(frame)
        frame["dropped"] = any(
            isinstance(value, BadValue) or (number & 1 and not known(number, frame["type"]))
            for number, value in frame.get("tlvs", ())
        )

    _delivery = _message

    def _response(self, frame):
        self._count(frame)
        key, status = (frame["channel"], frame["sequence"]), frame["status"]
        if status and not 201 <= status <= 999:
            raise malformed(f"the status {status}")
        if self.calls.get(key) == "cancelled":
            frame["ignored"] = True
        elif self.calls.get(key) != "asked":
            raise Refused(SEQUENCE, "an answer to no call")
        else:
            self.calls[key] = "answering" if frame["more"] else "done"

    def _data(self, frame):
        self._count(frame)
        key = frame["channel"], frame["sequence"]
        if "tlvs" in frame and (frame["more"] or is_message(key[0])):
            raise malformed("TLVs that are no trailers")
        if self.role == "client" and is_call(key[0]):
            if self.calls.get(key) == "cancelled":
                frame["ignored"] = True
            elif self.calls.get(key) != "answering":
                raise Refused(SEQUENCE, "DATA of no answer")
            elif not frame["more"]:
                self.calls[key] = "done"
        elif key not in self.open:
            raise Refused(SEQUENCE, "DATA of nothing that continues")
        else:
            self._grow(frame)
            if not frame["more"]:
                del self.open[key]

    def _request(self, frame):
        self._begin(frame)
        frame["answer"] = self._refusal(frame)

    def _refusal(self, frame):
        """What a server answers at once, (status, error); None for a call that it looks at."""
        tlvs, number = frame.get("tlvs", ()), frame["operation"]
        if any(kind & 1 and not known(kind, "REQUEST") for kind, _ in tlvs):
            return 501, 1100
        here = {TLV[kind][0]: value for kind, value in tlvs if known(kind, "REQUEST")}
        if any(isinstance(value, BadValue) for value in here.values()):
            return 400, 1000
        if "TARGET" in here:
            return (400, 1000) if number or {"OPERATION", "PARAM", "QUERY"} & here.keys() else None
        if "OPERATION" in here and number <= 256:
            self.operations.add(number)
            return None
        return None if number in self.operations - {0} else (400, 1101)
