"""Every way in which a Messages server may fail, and words of the line that tells of it."""

from claude_replies import Answer, Page, Reply, Status

CODE = "def compress_video_frame(frame, frame_index, config):\n    return b''\n" * 4
WHOLE = Answer(CODE)

PASSING: dict[str, tuple[Reply, str]] = {
    "408": (Status(408, "timeout_error"), "said 408"),
    "409": (Status(409, "conflict_error"), "said 409"),
    "429": (Status(429, "rate_limit_error"), "said 429"),
    "429 with retry-after": (Status(429, "rate_limit_error", headers={"retry-after": "0.3"}), "again in 0.3 s"),
    "500": (Status(500), "said 500"),
    "529": (Status(529, "overloaded_error"), "said 529"),
    "reset": (Answer(CODE, end="reset", after=3), "broke (ReadError)"),
    "reset at once": (Answer(CODE, end="reset", after=-1), "broke (ReadError)"),
    "drop": (Answer(CODE, end="drop", after=3), "broke (RemoteProtocolError)"),
    "early end": (Answer(CODE, end="early", after=3), "broke off"),
    "early end at once": (Answer(CODE, end="early", after=-1), "no message"),
    "error event": (Answer(CODE, end="error", after=3), "in its stream: overloaded_error"),
    "malformed": (Answer(CODE, end="malformed", after=3), "not JSON"),
    "not an event": (Answer(CODE, end="not an event", after=3), "no event"),
    "HTML": (Page(), "sent text/html and no message; is base_url right"),
    "malformed JSON": (Page('{"type": "mess', "application/json"), "sent application/json and no message"),
    "time-out": (Answer(CODE, first_s=30), "silent"),
    "silence in between": (Answer(CODE, between_s=30), "silent"),
}
"""Asking again may help."""

STAYING: dict[str, tuple[Reply, str]] = {
    "400": (Status(400, "invalid_request_error"), "structured_output = false"),
    "401": (Status(401, "authentication_error"), "check ANTHROPIC_API_KEY"),
    "402": (Status(402, "billing_error"), "no credit"),
    "403": (Status(403, "permission_error"), "may not do this"),
    "404": (Status(404, "not_found_error"), "model 'claude-opus-5-5' or the address is unknown"),
    "413": (Status(413, "invalid_request_error"), "too long"),
    "spend limit": (Status(429, "rate_limit_error", error_code="enforced_spend_limit_reached"), "spend limit"),
    "contract's limit": (Status(429, "rate_limit_error", error_code="contract_spend_limit_reached"), "spend limit"),
    "error event that stays": (Answer(CODE, end="error", error="billing_error", after=3), "no credit"),
}
"""Asking again would not help."""
