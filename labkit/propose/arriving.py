"""An answer while it arrives: text, thinking, usage and stop reason, put together from the events of a stream."""

from typing import Any

from labkit.propose.exchange import Usage, estimated_tokens

_MOST = 10**9
"""No count of tokens is larger: a server that says so is wrong, and a cost has to fit in a number."""
_MOST_CHARS = 80
"""Of a stop reason."""
_ANSWERS = ("message_start", "content_block_start", "content_block_delta", "message_delta")
_PARTS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class Arriving:
    """Takes the events of one stream, or a message at once; what is known so far can be read at any moment.

    Servers other than the vendor's leave fields out or send null: what is missing stays empty or 0.
    """

    def __init__(self) -> None:
        self.begun = False
        self.stop_reason = ""
        self._told_end = False
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._parts: dict[tuple[int, str], list[str]] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Add one event."""
        kind, index = event.get("type"), _whole(event, "index")
        self.begun |= kind in _ANSWERS  # the start may have got lost; what follows is an answer all the same
        if kind == "message_start":
            self._message = _dict(event.get("message"))
            self._count(self._message.get("usage"))
        elif kind == "content_block_start":
            block = _dict(event.get("content_block"))
            self._blocks[index] = block
            for name in _PARTS.values():
                self._add(index, name, block.get(name))
        elif kind == "content_block_delta":
            delta = _dict(event.get("delta"))
            name = _PARTS.get(str(delta.get("type")), "")
            self._add(index, name, delta.get(name))
        elif kind == "message_delta":
            delta = _dict(event.get("delta"))
            self.stop_reason = str(delta.get("stop_reason") or self.stop_reason)[:_MOST_CHARS]
            self._message |= {key: value for key, value in delta.items() if value is not None}
            self._count(event.get("usage"))
            self._told_end |= _whole(_dict(event.get("usage")), "output_tokens") > 0

    def take_message(self, message: dict[str, Any]) -> None:
        """Add a message that came at once."""
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        self.take({"type": "message_start", "message": message})
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            self.take({"type": "content_block_start", "index": index, "content_block": block})
        self.take({"type": "message_delta", "delta": {"stop_reason": message.get("stop_reason")},
                   "usage": message.get("usage")})  # fmt: skip

    def _add(self, index: int, name: str, text: Any) -> None:
        if isinstance(text, str) and text:
            self._blocks.setdefault(index, {"type": name})
            self._parts.setdefault((index, name), []).append(text)

    def _count(self, usage: Any) -> None:
        # counts are totals so far; what a later event leaves out keeps its value
        self._usage |= {key: value for key, value in _dict(usage).items() if value is not None}

    def _part(self, index: int, name: str) -> str:
        return mended("".join(self._parts.get((index, name), ())))

    @property
    def answer(self) -> str:
        """The text so far, without the thinking."""
        texts = (index for index, block in sorted(self._blocks.items()) if block.get("type") == "text")
        return "".join(self._part(index, "text") for index in texts)

    @property
    def tokens(self) -> int:
        """About how many tokens have been written, thinking included."""
        return estimated_tokens("".join(part for (_, name), parts in self._parts.items() if name != "signature"
                                        for part in parts))  # fmt: skip

    @property
    def estimated(self) -> bool:
        """Whether the server has not said in the end how many tokens it wrote, though some have come."""
        return not self.stop_reason or (not self._told_end and self.tokens > 0)

    def usage(self, dearest: str) -> Usage:
        """Return the tokens so far; where they are estimated, what the server has said is the least.

        Args:
            dearest: "5m" or "1h": how cache writes are counted that the server does not split.
        """
        usage = usage_of(self._usage, dearest)
        if self.estimated and self.tokens > usage.output_tokens:
            usage += Usage(output_tokens=self.tokens - usage.output_tokens)
        return usage

    def message(self) -> dict[str, Any]:
        """Return the message as far as it has arrived."""
        content = [
            block | {name: self._part(index, name) for name in _PARTS.values() if (index, name) in self._parts}
            for index, block in sorted(self._blocks.items())
        ]
        return self._message | {"content": content, "usage": self._usage, "stop_reason": self.stop_reason or None}


def usage_of(values: Any, dearest: str) -> Usage:
    """Return the usage that a server reports as JSON; what it leaves out is 0."""
    usage, split = _dict(values), _dict(_dict(values).get("cache_creation"))
    written = _whole(usage, "cache_creation_input_tokens")
    one_hour, five_minutes = _whole(split, "ephemeral_1h_input_tokens"), _whole(split, "ephemeral_5m_input_tokens")
    rest = max(0, written - one_hour - five_minutes)
    return Usage(
        input_tokens=_whole(usage, "input_tokens"),
        cache_write_5m_tokens=five_minutes + (rest if dearest != "1h" else 0),
        cache_write_1h_tokens=one_hour + (rest if dearest == "1h" else 0),
        cache_read_tokens=_whole(usage, "cache_read_input_tokens"),
        output_tokens=_whole(usage, "output_tokens"),
    )


def mended(text: str) -> str:
    """Return a text that UTF-8 can spell: servers that stream UTF-16 may cut a character in two."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _dict(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _whole(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    return int(min(max(0, value), _MOST)) if isinstance(value, int | float) and value == value else 0  # NaN is not
