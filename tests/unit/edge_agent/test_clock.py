"""A clock that is unset, set, nudged, swung, and read while the machine is busy."""

from dataclasses import dataclass
from pathlib import Path

from edge_agent.clock import NOT_BEFORE_MS, STEP_MS, Clock

HOUR_MS = 3_600_000
T0 = NOT_BEFORE_MS + 10**9


@dataclass
class Machine:
    """Two clocks that a test owns; `busy_ms` pass between looking at one and the other."""

    wall_ms: int = T0
    mono_ms: int = 50_000
    busy_ms: tuple[int, ...] = ()

    def pass_ms(self, ms: int) -> None:
        self.wall_ms, self.mono_ms = self.wall_ms + ms, self.mono_ms + ms

    def wall_ns(self) -> int:
        if self.busy_ms:
            self.pass_ms(self.busy_ms[0])
            self.busy_ms = self.busy_ms[1:]
        return self.wall_ms * 10**6

    def clock(self, ntp_mark: Path = Path("/nowhere")) -> Clock:
        return Clock(self.wall_ns, lambda: self.mono_ms * 10**6, "boot", ntp_mark)


def test_time_goes_on_by_the_monotonic_clock_until_the_step_is_followed() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.pass_ms(1_000)
    machine.wall_ms -= HOUR_MS
    assert clock.now_ms() == T0 + 1_000
    assert clock.follow() == -HOUR_MS
    assert clock.now_ms() == T0 + 1_000 - HOUR_MS
    assert clock.follow() == 0


def test_a_machine_that_boots_in_1970_learns_the_time_by_one_step() -> None:
    machine = Machine(wall_ms=5)
    clock = machine.clock()
    assert (clock.now().is_set, clock.state()) == (False, "unset")
    machine.pass_ms(60_000)
    machine.wall_ms = T0
    assert clock.follow() == T0 - 60_005
    assert (clock.now().is_set, clock.state()) == (True, "assumed")
    assert clock.now().offset_ms == T0 - 110_000, "when this boot began"


def test_it_is_synchronized_when_the_system_says_so(tmp_path: Path) -> None:
    assert Machine().clock(tmp_path).state() == "synchronized"


def test_a_wall_clock_that_is_nudged_is_followed_once_it_is_away_enough() -> None:
    machine = Machine()
    clock = machine.clock()
    steps = []
    for _ in range(100):
        machine.pass_ms(1_000)
        machine.wall_ms += 7
        steps.append(clock.follow())
        assert abs(clock.now_ms() - machine.wall_ms) < STEP_MS
    assert {step for step in steps if step} == {STEP_MS // 7 * 7 + 7}


def test_a_clock_that_swings_a_little_makes_no_steps_and_one_that_swings_much_all() -> None:
    for swing, steps in ((STEP_MS - 1, 0), (STEP_MS, 10)):
        machine = Machine()
        clock = machine.clock()
        followed = []
        for turn in range(10):
            machine.pass_ms(1_000)
            machine.wall_ms += swing if turn % 2 == 0 else -swing
            followed.append(clock.follow())
        assert len([step for step in followed if step]) == steps
        assert clock.now_ms() == machine.wall_ms


def test_a_machine_that_is_busy_between_two_looks_has_set_no_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.busy_ms = (60_000, 0, 3_000)
    assert clock.follow() == 0
