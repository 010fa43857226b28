"""The offline proposer: same brief, same source; never twice; climbs with any seed."""

import ast
import math
from collections import Counter
from pathlib import Path

import pytest

from labkit.candidate import Candidate
from labkit.errors import ProposerError
from labkit.policy import check
from labkit.propose.brief import Brief, Experiment
from labkit.propose.recombine import CHANGE, RecombineProposer
from labkit.propose.shelf import SLOTS, START, Recipe, Shelf, read_recipe

CODECS = Path(__file__).resolve().parents[1] / "codecs"
START_PROGRAM = Candidate((CODECS / "intra_dct.py").read_text())
PROPOSER = RecombineProposer()
SHELF = PROPOSER.shelf


def brief(champion=START_PROGRAM, generation=1, slot=0, seed=1, experiments=()):
    return Brief(generation, slot, seed, champion, 0, tuple(experiments))


def experiment(candidate, number=1, generation=1, decision="rejected", bd_rate_pct=None):
    return Experiment(number, generation, candidate.hash, candidate.hypothesis, decision, bd_rate_pct, "")


def promised(source):
    """Return the rate that the blocks of a source promise, the slots' weakest blocks being 1."""
    return math.prod(SHELF.blocks[slot][name].rate / 100 for slot, name in read_recipe(source).blocks.items())


def test_the_same_brief_gives_the_same_source():
    assert PROPOSER.propose(brief()) == RecombineProposer().propose(brief())


def test_another_seed_explores_differently():
    assert len({PROPOSER.propose(brief(seed=seed)).candidate.hash for seed in range(10)}) > 1


def test_two_slots_of_a_generation_differ():
    for seed in range(10):
        first = PROPOSER.propose(brief(seed=seed)).candidate
        second = PROPOSER.propose(brief(seed=seed, slot=1, experiments=[experiment(first)])).candidate
        assert first.hash != second.hash


def test_what_was_tried_is_not_proposed_again():
    experiments = []
    for number in range(40):
        candidate = PROPOSER.propose(brief(experiments=experiments)).candidate
        assert candidate.hash not in {e.candidate for e in experiments}
        experiments.append(experiment(candidate, number))


def test_the_recipe_comes_back_from_the_source():
    recipe = Recipe(START | {"structure": "pyramid"}, {"SPAN": 8})
    source = SHELF.assemble(recipe)
    assert read_recipe(source) == recipe
    assert "\nSPAN = 8\n" in source


def test_a_program_that_nobody_assembled_stands_at_the_start():
    assert read_recipe(START_PROGRAM.source) == Recipe(START)


def test_a_tuple_of_parameters_survives_the_recipe():
    recipe = Recipe(START | {"structure": "pyramid"}, {"LEVEL_QP_OFFSETS": [0, 1, 3, 4, 5]})
    assert "\nLEVEL_QP_OFFSETS = (0, 1, 3, 4, 5)\n" in SHELF.assemble(read_recipe(SHELF.assemble(recipe)))


def test_the_hypothesis_says_what_why_and_how_much():
    candidate = PROPOSER.propose(brief()).candidate
    assert CHANGE.search(candidate.hypothesis)
    assert "Expected: -" in candidate.hypothesis
    assert candidate.parent == START_PROGRAM.hash


def assemblies():
    """Yield one source for each block, in an assembly that has what it needs."""
    for slot, blocks in SHELF.blocks.items():
        for name in blocks:
            step = next((c for c in SHELF.changes(Recipe(START)) if (c.what, c.after) == (slot, name)), None)
            recipe = Recipe(START | {slot: name}) if step is None else SHELF.apply(Recipe(START), [step])
            yield pytest.param(SHELF.assemble(recipe), id=f"{slot}/{name}")


@pytest.mark.parametrize("source", list(assemblies()))
def test_an_assembly_defines_every_name_once(source):
    body = ast.parse(source).body
    names = [n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    names += [t.id for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.parametrize("rank", [0, -1])
def test_assemblies_pass_the_static_check(rank):
    ladder = {slot: sorted(SHELF.blocks[slot].values(), key=lambda block: block.rate)[rank].name for slot in SLOTS}
    assert check(SHELF.assemble(Recipe(ladder))) == ()


def test_starting_programs_pass_the_static_check():
    for name in ("raw_copy", "intra_dct"):
        assert check((CODECS / f"{name}.py").read_text()) == ()


def campaign(seed, generations=6, slots=2):
    """Play a campaign in which blocks keep their promises; return the gains of the adopted versions."""
    champion, experiments, gains = START_PROGRAM, [], []
    for generation in range(1, generations + 1):
        found = []
        for slot in range(slots):
            made = PROPOSER.propose(brief(champion, generation, slot, seed, experiments)).candidate
            bd_rate_pct = 100 * (promised(made.source) / promised(champion.source) - 1)
            found.append((bd_rate_pct, made))
            experiments.append(experiment(made, len(experiments), generation, "rejected", bd_rate_pct))
        bd_rate_pct, best = min(found, key=lambda pair: pair[0])
        if bd_rate_pct <= -10:
            champion = best
            gains.append(bd_rate_pct)
    return gains, promised(champion.source)


@pytest.mark.parametrize("seed", list(range(10)))
def test_a_campaign_of_default_length_climbs_with_any_seed(seed):
    gains, rate = campaign(seed)
    assert len(gains) >= 4, f"seed {seed}: {gains}"
    assert rate < 0.06


def small_shelf(folder):
    """Write a shelf with one block a slot, and two for the quantisation."""
    text = '"""A block."""\n\nABOUT = {"rate": 100, "hypothesis": "a block", "choices": {}}\n\n\ndef %s():\n    pass\n'
    for slot in SLOTS:
        (folder / slot).mkdir()
        (folder / slot / f"{START[slot]}.py").write_text(text % slot)
    (folder / "quantisation" / "other.py").write_text(text.replace("100", "90") % "quantisation")
    (folder / "skeleton.py").write_text(text % "skeleton")
    return RecombineProposer(folder)


def test_when_everything_has_been_tried_it_says_so(tmp_path):
    proposer = small_shelf(tmp_path)
    only = proposer.propose(brief()).candidate
    assert read_recipe(only.source).blocks["quantisation"] == "other"
    with pytest.raises(ProposerError, match="has been tried"):
        proposer.propose(brief(experiments=[experiment(only)]))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ProposerError, match="nowhere"):
        RecombineProposer(tmp_path / "nowhere").propose(brief())


def test_a_recipe_with_an_unknown_block_is_refused():
    strange = Candidate(Recipe(START | {"entropy": "magic"}).line())
    with pytest.raises(ProposerError, match="'magic'"):
        PROPOSER.propose(brief(strange))


def test_a_block_without_description_is_refused(tmp_path):
    proposer = small_shelf(tmp_path)
    (tmp_path / "entropy" / f"{START['entropy']}.py").write_text('"""No description."""\n')
    with pytest.raises(ProposerError, match="ABOUT"):
        proposer.propose(brief())


def test_one_generation_without_a_champion_starts_from_the_first_recipe():
    proposal = PROPOSER.propose(Brief(1, 0, 1, None, None))
    assert proposal.candidate.parent == ""


def test_a_measured_failure_counts_for_more_than_a_promise():
    first = PROPOSER.propose(brief()).candidate
    again = PROPOSER.propose(brief(generation=2, experiments=[experiment(first, bd_rate_pct=3.0)])).candidate
    tags = CHANGE.findall(first.hypothesis)
    assert CHANGE.findall(again.hypothesis)[0] != tags[0]


def test_the_shelf_reads_values_and_choices():
    block = Shelf(CODECS / "blocks").blocks["structure"]["pyramid"]
    assert block.values["SPAN"] in block.choices["SPAN"]


def test_what_a_block_needs_is_pulled_in_with_what_that_needs_itself():
    quarter = next(change for change in SHELF.changes(Recipe(START)) if change.after == "quarter")
    blocks = SHELF.apply(Recipe(START), [quarter]).blocks
    assert (blocks["motion"], blocks["structure"]) == ("blocks", "previous")  # else its vectors would point nowhere
