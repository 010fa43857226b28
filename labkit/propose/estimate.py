"""What a campaign with a model will cost, before the first request: an estimate, and the cap that holds."""

from labkit.propose.choice import Asking
from labkit.propose.exchange import Usage
from labkit.propose.prices import cost_usd

PLAN_TOKENS, CODE_TOKENS = 5_000, 12_000
"""Written for a plan and for a program, thinking included."""

REPAIRS_EACH = 0.5


def cost_lines(asking: Asking, prompt_tokens: int, generations: int, spent_usd: float) -> list[str]:
    """Return model, estimated cost and cap, a line each.

    Args:
        prompt_tokens: of one request; what the cache saves is left out.
        generations: those that are still to come.
    """
    settings, candidates = asking.claude, asking.candidates
    price, date = settings.price(settings.model)
    programs = candidates * (1 + REPAIRS_EACH)
    usage = Usage(
        input_tokens=round(prompt_tokens * (1 + programs)), output_tokens=round(PLAN_TOKENS + CODE_TOKENS * programs)
    )
    each = cost_usd(usage, price, asking.batch)
    lines = [f"model: {settings.model}, effort {settings.effort or 'as the server likes'}"]
    if each is None:
        lines.append("cost: unknown, since the price of this model is; no budget can be held")
    else:
        lines.append(
            f"cost: about {each:.2f} USD a generation, {each * generations:.2f} for the {generations} to come "
            f"(an estimate; prices of {date})"
        )
    cap = "none" if asking.budget_usd is None else f"{asking.budget_usd:.2f} USD, checked before each request"
    return [*lines, f"cap: {cap}; {spent_usd:.4f} USD spent so far"]
