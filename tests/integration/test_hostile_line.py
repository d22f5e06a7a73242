"""The agent's driver on a line where everything goes wrong, a few hundred times: see bench/hostile.py."""

from bench import hostile

POLLS = 480


def test_no_value_is_stale_or_foreign_on_a_hostile_line() -> None:
    # Where the line's own process stood still for 20 ms, what was late is too late for anybody to tell
    # (see there), and where the machine is busy, sound answers are late; a driver that takes what is
    # wrong, or no answer, does so again.
    for _ in range(3):
        found = hostile.run(hostile.agent, POLLS, seed=3)
        taken = found["nothing"].answered / found["nothing"].asked
        if taken > 0.9 and not any(seen.wrong for seen in found.values()):
            break
    assert {name: seen.wrong for name, seen in found.items()} == dict.fromkeys(found, 0)
    missed = {name: seen.asked - seen.answered for name, seen in found.items()}
    for name in ("late 24", "flip 1", "foreign", "function", "refusal", "truncated", "silent"):
        assert missed[name] >= found[name].asked // 3 > 0, f"{name}: the line was not hostile"
    assert taken > 0.25
    for name in ("noise", "noise after", "twice", "echo"):
        # Of a machine so busy that sound ones are late, too, it cannot be told.
        assert taken <= 0.9 or found[name].answered > 0.8 * found[name].asked, (
            f"{name} hides answers"
        )
