"""The quality of code: what is counted of a text by hand is what is found; and limits and charges by it."""

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.adopt import (
    BdRateRule,
    ParetoRule,
    Rule,
    ThresholdRule,
    cannot_win,
    charge,
    charged,
    code_over_limits,
    judge,
)
from labkit.candidate import CodeQuality, Evaluation
from labkit.policy import DEFAULT_RULES, code_quality
from labkit.policy.quality import counted
from labkit.rd import RDPoint

ROOT = Path(__file__).resolve().parents[1]


def complexities(source: str) -> dict[str, int]:
    found = counted(source, DEFAULT_RULES)
    assert found is not None
    return dict(found[0])


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("return a if b else c", 2),
        ("if a:\n  pass\n elif b:\n  pass\n else:\n  pass", 3),
        ("if a and b and not c:\n  pass", 4),
        ("if (a or b) and c:\n  pass", 4),
        ("for x in a:\n  pass\n else:\n  pass", 2),
        ("while a:\n  break", 2),
        ("with a:\n  pass", 1),
        ("try:\n  a\n except B:\n  c\n except D:\n  e\n finally:\n  f", 3),
        ("assert a, b", 2),
        ("return [x for x in a if b if c for y in x]", 5),
        ("return {x for x in a}, {x: x for x in a}, (x for x in a)", 4),
        ("return lambda x: x if a else b", 2),
        ("match a:\n  case 1:\n   pass\n  case 2 | 3:\n   pass\n  case _:\n   pass", 3),
        ("match a:\n  case [x] if x:\n   pass\n  case _ if b:\n   pass", 5),
        ("def inner():\n  if a:\n   pass", 1),
        ("class A:\n  x = 1 if a else 2", 2),
    ],
)
def test_each_decision_counts_once(body: str, complexity: int) -> None:
    assert complexities(f"def f():\n {body}\n")["f"] == complexity


def test_functions_are_named_by_where_they_stand() -> None:
    source = "class A:\n def m(self):\n  def inner():\n   return 1 if x else 2\nasync def g():\n pass\nif x: y = 1\n"
    assert complexities(source) == {"A.m": 1, "A.m.inner": 2, "g": 1}
    twice = "if x:\n def f(): pass\nelse:\n def f(): return a or b\n"
    found = counted(twice, DEFAULT_RULES)
    assert found is not None
    assert found[0] == [("f", 1), ("f", 2)]


def test_every_figure_of_a_small_program() -> None:
    source = (
        '"""Codes nothing."""\n\nimport numpy as np, os.path\nfrom scipy.fft import dct\n\n# über\n'
        "def f(a):\n    import zlib\n    return a if a else zlib\n\n\ndef g(): pass\n"
    )
    text = source.encode()
    assert code_quality(source) == CodeQuality(
        source_bytes=len(text), compressed_bytes=len(zlib.compress(text, 9)), lines=8, functions=2,
        complexity=3, max_complexity=2, most_complex="f", dependencies=("numpy", "os", "scipy", "zlib"),
    )  # fmt: skip


def test_an_empty_program_has_figures_too() -> None:
    assert code_quality("") == CodeQuality(0, 8, 0, 0, 0, 0, "", ())


def test_the_starting_program() -> None:
    # its encoder has a generator's `for`, its decoder runs straight through
    quality = code_quality((ROOT / "codecs" / "raw_copy.py").read_text(encoding="utf-8"))
    assert quality is not None
    assert (quality.functions, quality.complexity, quality.max_complexity) == (2, 3, 2)
    assert quality.source_bytes == 848
    assert 300 < quality.compressed_bytes < 600


@pytest.mark.parametrize(
    "source",
    [
        "def f(:",
        "return 1",
        "x = '\0'",
        "\ud800 = 1",
        "(" * 100_000,
        "-" * 200_000 + "1",
        "x = 1\n" * 60_000,
        "a" + ".b" * 5000,
    ],
)
def test_what_does_not_parse_has_no_figures_and_raises_nothing(source: str) -> None:
    assert code_quality(source) is None


def test_a_warning_of_the_parser_is_nobodys_error() -> None:
    quality = code_quality("def f():\n return '\\d' is 1\n")
    assert quality is not None
    assert quality.functions == 1


# --- limits and charges by it -------------------------------------------------------------------------

CODE = CodeQuality(30_000, 9_000, 700, 40, 150, 22, "Coder.encode_block", ("numba", "numpy"))
RULES = (BdRateRule, ParetoRule)


def evaluation(factor: float = 1.0, **changes: object) -> Evaluation:
    """Two clips of 96,000 luma samples, 2 frames each; the files are `factor` times those of the champion."""
    sizes = {22: (8000, 42.0), 27: (4000, 39.0), 32: (2000, 36.0), 37: (1000, 32.0)}
    points = [
        RDPoint(
            clip, clip, qp, round(size * factor), round(size * factor) / 125, psnr, psnr, psnr, 0.9, 25.0, 9.0, 9.0,
            "candidate", "bitstream", encode_cpu_s=0.4, decode_cpu_s=0.1, raw_bytes=288_000, peak_mib=200.0,
        )
        for clip in ("bus", "bike")
        for qp, (size, psnr) in sizes.items()
    ]  # fmt: skip
    return Evaluation("candidate", "none", tuple(replace(point, **changes) for point in points))


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("champion", [None, evaluation()])
@pytest.mark.parametrize(
    ("limit", "enough", "too_little", "reason"),
    [
        ("max_source_bytes", 30_000, 29_999, "the source has 30,000 bytes, the limit is 29,999"),
        ("max_complexity", 22, 21, "Coder.encode_block() has complexity 22, the limit is 21"),
        # 0.4 CPU seconds for 192,000 luma samples, at every point
        ("max_encode_s_per_mpixel", 2.084, 2.0, "encoding takes 2.08 CPU s per megapixel, the limit is 2 s"),
        ("max_decode_s_per_mpixel", 0.521, 0.5, "decoding takes 0.521 CPU s per megapixel, the limit is 0.5 s"),
        ("max_peak_mib", 200, 199, "bus at QP 22 took 200 MiB of memory, the limit is 199 MiB"),
    ],
)
def test_a_limit_rejects_with_value_and_limit(
    kind: type, champion: Evaluation | None, limit: str, enough: float, too_little: float, reason: str
) -> None:
    assert judge(evaluation(0.5), champion, kind(**{limit: enough}), None, CODE).adopted
    verdict = judge(evaluation(0.5), champion, kind(**{limit: too_little}), None, CODE)
    assert not verdict.adopted
    assert verdict.reasons == (reason,)
    assert (verdict.bd_rate_pct is None) == (champion is None)  # the gain that it would have been is kept


def test_what_the_rule_says_follows_what_is_over_the_limits() -> None:
    rule = BdRateRule(max_source_bytes=1000, max_complexity=10)
    verdict = judge(evaluation(0.95), evaluation(), rule, None, CODE)
    assert [reason.split()[0] for reason in verdict.reasons] == ["the", "Coder.encode_block()", "-5.00"]
    assert code_over_limits(rule, CODE) == list(verdict.reasons[:2])
    assert code_over_limits(BdRateRule(), None) == []


def test_a_time_is_that_of_all_points_together() -> None:
    first, *others = evaluation(0.5).points
    slow_once = replace(evaluation(), points=(replace(first, encode_cpu_s=1.2), *others))  # 0.5 on average
    assert judge(slow_once, None, BdRateRule(max_encode_s_per_mpixel=2.61)).adopted
    assert not judge(slow_once, None, BdRateRule(max_encode_s_per_mpixel=2.6)).adopted


def test_no_time_per_megapixel_without_the_size_of_the_samples() -> None:
    verdict = judge(evaluation(0.5, raw_bytes=0), evaluation(), BdRateRule(max_decode_s_per_mpixel=9.0))
    assert verdict.reasons == ("the size of the clips' samples is not recorded: no decoding time per megapixel",)


@pytest.mark.parametrize(
    "rule", [BdRateRule(max_complexity=9), ThresholdRule(max_source_bytes=9), ParetoRule(charge_source=True)]
)
def test_a_rule_about_the_source_needs_its_figures(rule: Rule) -> None:
    for ask in (judge, cannot_win):
        subject = evaluation(0.5) if ask is judge else evaluation(0.5).points
        with pytest.raises(ValueError, match="the source, and its figures were not given"):
            ask(subject, evaluation(), rule)


def test_a_charge_is_bytes_in_every_file() -> None:
    points = evaluation().points
    more = charged(points, 500)
    assert [p.bytes for p in more[:4]] == [8500, 4500, 2500, 1500]
    assert [p.rate_kbps for p in more[:4]] == pytest.approx([68.0, 36.0, 20.0, 12.0])
    assert charged(points, 0) == points
    assert charge(CODE, BdRateRule(free_source_bytes=8_000)) == 1000
    assert charge(CODE, BdRateRule()) == 0


def test_the_source_beyond_the_allowance_is_charged_on_both_sides() -> None:
    small, large = replace(CODE, compressed_bytes=100), replace(CODE, compressed_bytes=1100)
    rule = BdRateRule(charge_source=True, free_source_bytes=100)
    won = evaluation(0.8)
    free = judge(won, evaluation(), replace(rule, charge_source=False))
    assert free.bd_rate_pct == pytest.approx(-20.0)
    assert judge(won, evaluation(), rule, None, small, small) == free
    lost = judge(won, evaluation(), rule, None, large, small)  # 1,000 bytes more on files of 800 to 6,400
    assert lost.bd_rate_pct is not None
    assert lost.bd_rate_pct > 10
    assert not lost.adopted
    both = judge(won, evaluation(), rule, None, large, large)
    assert both.bd_rate_pct is not None
    assert -20 < both.bd_rate_pct < -10
    assert judge(won, evaluation(), rule, None, small, large).bd_rate_pct < -40


def test_a_stopped_one_is_charged_as_well() -> None:
    small, large = replace(CODE, compressed_bytes=100), replace(CODE, compressed_bytes=1100)
    rule = BdRateRule(charge_source=True, free_source_bytes=100)
    some = evaluation(0.8).points[:4]
    assert cannot_win(some, evaluation(), rule, small, small) == ""
    proof = cannot_win(some, evaluation(), rule, large, small)
    assert "bus got worse: +" in proof
    verdict = judge(Evaluation("c", "none", some, stopped="x"), evaluation(), rule, None, large, small)
    assert verdict.reasons == (proof,)
    assert verdict.by_clip[0].bd_rate_pct is not None
    assert verdict.by_clip[0].bd_rate_pct > 2
