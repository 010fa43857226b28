"""The money: a request's cost follows from its tokens and a dated price, and the cost rows add up to the requests."""

from collections.abc import Iterator, Mapping
from math import fsum, isclose
from typing import Any

from labkit.audit.finding import Finding, failed, stated, unless
from labkit.audit.recorded import Recorded
from labkit.propose.arriving import usage_of
from labkit.propose.exchange import REPLAYED, Exchange, from_values
from labkit.propose.prices import PRICES, PRICES_DATE, Price, cost_usd, dearest
from labkit.propose.recombine import RecombineProposer
from labkit.settings import make_settings

_FREE = ("starting program", "a person", RecombineProposer.name, "replay of ", "Claude")
"""How the names of proposers begin that take nothing for a program besides their requests."""


def check_costs(recorded: Recorded) -> list[Finding]:
    """Return whether the cost rows are those of the requests and of the proposals, and add up."""
    rows = recorded.rows("costs")
    exchanges = recorded.ledger.exchanges()
    booked = [row for row in rows if row.proposal is None]
    proposals = [row for row in rows if row.proposal is not None]
    faults = [*_booked(booked, exchanges), *_of_proposals(recorded, proposals)]
    asked, taken = fsum(exchange.usd or 0.0 for exchange in exchanges), fsum(row.usd for row in proposals)
    total = recorded.ledger.cost_usd()
    if not faults and not isclose(total, asked + taken, rel_tol=1e-9, abs_tol=1e-12):
        faults.append(failed("costs", f"add up to {total!r} USD, requests and proposals to {asked + taken!r}"))
    told = f"{len(rows)} rows, {total:.4f} USD: {len(exchanges)} requests {asked:.4f}, proposals {taken:.4f}"
    found = unless(faults, "costs", told)
    if taken:
        found.append(stated("costs", f"{taken:.4f} USD for {len(proposals)} proposals, as their proposers told"))
    return found


def _booked(rows: list[Any], exchanges: list[Exchange]) -> Iterator[Finding]:
    if len(rows) != len(exchanges):
        yield failed("costs", f"{len(rows)} rows of requests, {len(exchanges)} requests")
        return
    for row, exchange in zip(rows, exchanges, strict=True):
        expected = (exchange.generation, exchange.model, exchange.usd or 0.0)
        if (row.generation, row.proposer, row.usd) != expected:
            told = f"generation {row.generation}, {row.proposer}, {row.usd!r} USD"
            yield failed(f"costs, row {row.id}", f"{told}; the request of that place is {expected}")


def _of_proposals(recorded: Recorded, rows: list[Any]) -> Iterator[Finding]:
    generations = {entry.number: entry.generation for entry in recorded.entries}
    for row in rows:
        if row.generation != generations.get(row.proposal):
            yield failed(f"costs, row {row.id}", f"is of generation {row.generation}, entry {row.proposal} is not")
        if row.usd and str(row.proposer).startswith(_FREE):
            yield failed(f"costs, row {row.id}", f"{row.usd!r} USD for a program by {row.proposer}, who takes nothing")


# --- requests ----------------------------------------------------------------------------------------------


def check_exchanges(recorded: Recorded) -> list[Finding]:
    """Return whether each request's cost follows from its usage and the price of its date."""
    rows = recorded.rows("exchanges")
    if not rows:
        return []
    batches = {row.id for row in recorded.rows("batches")}
    prices = [make_settings(row.settings, "settings").claude.prices for row in recorded.rows("campaign")]
    faults, unknown = [], 0
    for row in rows:
        exchange = from_values(row.exchange)
        what = f"exchange {row.number} ({exchange.purpose}, {exchange.model})"
        reasons = [*_columns(row, exchange), *_usage(exchange)]
        costs = _costs(exchange, exchange.id.rpartition("/")[0] in batches, prices)
        unknown += not costs
        if costs and exchange.usd not in costs:
            reasons.append(
                f"cost {exchange.usd!r} USD, its tokens and the price of {exchange.price_date} make it {costs[0]!r}"
            )
        faults += [failed(what, reason) for reason in reasons]
    told = f"{len(rows)}: usage as the server reported it, cost from usage and price"
    found = unless(faults, "requests", told)
    if unknown:
        found.append(stated("requests", f"{unknown} have a cost by a price table that is not here"))
    return [*found, stated("requests", "what a server says it counted, and what a model answered, is its own word")]


def _columns(row: Any, exchange: Exchange) -> Iterator[str]:
    for name in ("id", "generation", "slot", "purpose", "model", "usd"):
        if getattr(row, name) != getattr(exchange, name):
            yield f"its column {name} says {getattr(row, name)!r}, the request itself {getattr(exchange, name)!r}"


def _usage(exchange: Exchange) -> Iterator[str]:
    """Yield in what the counted tokens are not those of the message as it came; of a cut answer they are estimated."""
    told = (exchange.raw or {}).get("usage")
    if isinstance(told, dict) and not exchange.estimated:
        usage = usage_of(told, dearest(exchange.request))
        if usage != exchange.usage:
            yield f"counts {exchange.usage}, the answer as it came {usage}"


def _costs(exchange: Exchange, batch: bool, given: list[Mapping[str, Price]]) -> list[float | None]:
    """Return what the request can have cost by the prices of its date; nothing if these are not known here."""
    if exchange.price_date == REPLAYED:
        return [0.0]
    if exchange.price_date == "settings":
        return [cost_usd(exchange.usage, prices[exchange.model], batch) for prices in given if exchange.model in prices]
    if exchange.price_date == PRICES_DATE:
        return [cost_usd(exchange.usage, PRICES.get(exchange.model), batch)]
    return [] if exchange.price_date else [None]
