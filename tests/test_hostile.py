"""The hostile suite: every attack is held by the wall at every level, and each does its harm where there is none.

Each file of tests/hostile/ is run in the real jail, past the static check, which is no wall; what it must not do
is looked for from outside. Then the same file runs without the jail (its positive control): an attack that does
no harm there would prove nothing here. Last, what the static check says of it is what its header tells.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from hostile_files import CLASSES, Attack, attacks
from hostile_runner import control_uid, in_jail, in_the_open, jail_uid, key_in_the_environment
from hostile_world import BULK, Outcome, Post, World

from labkit.jail import Level, available_levels
from labkit.policy import check

LEVELS = (Level.SEALED, Level.FILTERED)
ATTEMPTS = 12  # those that count processes need a moment without others
"""Of a control: some messages can be drowned by what other processes do; one that arrives is enough."""
EVERYDAY = ("files/read_canary",)


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    listeners = Post()
    yield listeners
    listeners.close()


def named(attack: Attack) -> str:
    return attack.name


def needed(attack: Attack, without_jail: bool) -> None:
    """Skip the test, with its reason, where the machine lacks what the attack needs."""
    for module in {"torch", "numba", "cv2"} & set(attack.needs):
        pytest.importorskip(module)
    if "x86_64" in attack.needs and os.uname().machine != "x86_64":
        pytest.skip("needs an x86-64 machine: it brings machine code")
    if without_jail and "root" in attack.needs and os.geteuid() != 0:
        pytest.skip("needs root, to run as a user who has no other process")


def held(attack: Attack, level: Level, post: Post) -> None:
    """Assert that the wall holds: the verdict, the kernel's answers, no sign of harm, an honest codec unharmed."""
    if level not in available_levels():
        pytest.skip(f"isolation {level} does not stand on this machine: `labkit doctor` says why")
    needed(attack, without_jail=False)
    signs, outcome, trouble = struck(attack, level, post)
    if signs == {"stash"} and attack.bits < 8:
        again = [struck(attack, level, post)[0] for _ in range(4)]
        signs = {"stash"} if again.count({"stash"}) >= 2 else set().union(*again) - {"stash"}
    told = f"{attack.name} at {level}: {outcome.verdict}; {outcome.came_out[-600:]!r}"
    if level in attack.not_held and signs == {attack.sign}:
        pytest.xfail(attack.why_not)
    assert signs == set(), f"{signs}: {told}"
    assert outcome.verdict in attack.verdicts, told
    assert attack.sign != "taken" or not outcome.taken, told
    assert not attack.hears or outcome.refusals & set(attack.hears), told
    assert trouble == "", told


def struck(attack: Attack, level: Level, post: Post) -> tuple[set[str], Outcome, str]:
    """Run the attack in the jail once; return the signs of harm, what came out, and how an honest codec fared.

    A stash of few bits is there by chance now and then: a process number ends in the three bits looked for
    on both clips in one of 64 runs. One that is really carried over arrives again.
    """
    world = World(attack, post, jail_uid(level))
    try:
        with key_in_the_environment(world):
            outcome, trouble = in_jail(attack, world, level)
        return world.signs(outcome) - {"taken"}, outcome, trouble
    finally:
        world.close()


@pytest.mark.parametrize("attack", [a for a in attacks() if a.name in EVERYDAY], ids=named)
def test_the_wall_holds_everyday(attack: Attack, post: Post) -> None:
    if not available_levels():
        pytest.skip("no isolation stands on this machine: `labkit doctor` says why")
    held(attack, available_levels()[0], post)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("attack", attacks(), ids=named)
def test_the_wall_holds(attack: Attack, level: Level, post: Post) -> None:
    held(attack, level, post)


@pytest.mark.slow
@pytest.mark.parametrize("attack", [attack for attack in attacks() if not attack.control], ids=named)
def test_without_the_jail_it_does_its_harm(attack: Attack, post: Post) -> None:
    needed(attack, without_jail=True)
    for _ in range(ATTEMPTS):
        world = World(attack, post, control_uid())
        try:
            outcome = in_the_open(attack, world)
            if attack.sign in world.signs(outcome, patience_s=1.0 if attack.sign == "contact" else 0.0):
                return
        finally:
            world.close()
    pytest.fail(f"no sign of {attack.sign}: {outcome.verdict}; {outcome.came_out[-600:]!r}")


@pytest.mark.slow
@pytest.mark.parametrize("attack", attacks(), ids=named)
def test_the_static_check_says_what_the_header_tells(attack: Attack) -> None:
    places = dict.fromkeys(re.findall(r"@([A-Z]+)@", attack.text), "1") | BULK
    assert bool(check(attack.source(places))) == attack.refused


def test_there_are_sixty_attacks_of_every_class() -> None:
    by_class = Counter(attack.name.partition("/")[0] for attack in attacks())
    assert sum(by_class.values()) >= 60
    assert set(by_class) == set(CLASSES)
    assert sum(1 for attack in attacks() if not attack.control) >= 100  # run without the jail, too
