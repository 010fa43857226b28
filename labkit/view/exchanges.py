"""What was asked of a model and what it answered: every request with its cost, word for word."""

from collections.abc import Sequence

from markupsafe import Markup

from labkit.campaign import Campaign, Generation
from labkit.propose.exchange import Exchange
from labkit.view.fragment import Fragment, block, note, table

_COLUMNS = ("slot", "purpose", "model", "ended", "in", "from cache", "to cache", "out", "USD", "seconds")


def show_exchanges(campaign: Campaign, generation: Generation) -> Fragment:
    """Return requests, answers and costs of a generation; the prompt and the raw answer are folded."""
    exchanges = campaign.ledger.exchanges(generation.number)
    title = f"what was asked of a model in generation {generation.number}"
    return Fragment(told(exchanges) or note("No model was asked in this generation."), title)


def told(exchanges: Sequence[Exchange]) -> Markup:
    """Return requests, answers and costs of some exchanges, prompts and answers folded; nothing for none."""
    if not exchanges:
        return Markup("")
    costs = [exchange.usd for exchange in exchanges]
    known = sum(usd for usd in costs if usd is not None)
    unknown = costs.count(None)
    words = f"{len(exchanges)} requests, {known:.4f} USD{f' and {unknown} of unknown price' if unknown else ''}"
    rows = table(_COLUMNS, map(_row, exchanges), numbers=(*_COLUMNS[4:], "slot"))
    each = Markup("").join(_told(number, exchange) for number, exchange in enumerate(exchanges, start=1))
    return note(words) + rows + each


def _row(exchange: Exchange) -> Sequence[object]:
    usage = exchange.usage
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return (
        exchange.slot, exchange.purpose, exchange.model, exchange.stop_reason or exchange.error or "no answer",
        f"{usage.input_tokens:,}", f"{usage.cache_read_tokens:,}", f"{written:,}",
        f"{usage.output_tokens:,}{' (estimated)' if exchange.estimated else ''}",
        "unknown" if exchange.usd is None else f"{exchange.usd:.4f}", f"{exchange.seconds:.1f}",
    )  # fmt: skip


def _told(number: int, exchange: Exchange) -> Markup:
    prompt, before = _prompt(exchange)
    folded = Markup("<details><summary>{}</summary>{}</details>")
    parts = folded.format(f"{number}. {exchange.purpose} of slot {exchange.slot}: the request", prompt)
    if exchange.error:
        parts += note(exchange.error)
    answer = exchange.answer or "(no text)"
    return parts + folded.format(f"{number}. the answer, as it came{before}", block(answer))


def _prompt(exchange: Exchange) -> tuple[Markup, str]:
    """Return what was sent, and a word on how much of a talk came before the answer."""
    request = exchange.request
    system = [str(part.get("text", "")) for part in request.get("system", ())]
    html = block("\n".join(system))
    messages = request.get("messages", ())
    for message in messages:
        content = message.get("content", "")
        words = content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)
        html += note(f"{message.get('role')}:") + block(words)
    return html, f", after {len(messages) - 1} earlier messages" if len(messages) > 1 else ""
