"""How far a scan is, on a terminal and elsewhere."""

import io

from edge_agent.field.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_terminal_has_one_line_that_is_drawn_anew_and_cleared_for_results() -> None:
    err, clock = Terminal(), Clock()
    bar = Progress(err, clock)
    clock.s = 10
    bar.step(50, 0.25, "unit 50")
    assert err.getvalue() == (
        "\r\x1b[K[#####...............]  25 %  50 done, 5.0 a second, 30 s left: unit 50"
    )
    clock.s = 10.05
    bar.step(51, 0.255, "unit 51")  # sooner than an eye could follow
    assert "unit 51" not in err.getvalue()
    bar.clear()
    assert err.getvalue().endswith("unit 50\r\x1b[K")
    bar.clear()
    assert err.getvalue().count("\r") == 2


def test_elsewhere_it_is_a_plain_line_now_and_then() -> None:
    err, clock = io.StringIO(), Clock()
    bar = Progress(err, clock)
    for second in range(1, 32):
        clock.s = second
        bar.step(4 * second, second / 600, f"unit {second}")
    assert err.getvalue().splitlines() == [
        "2 %, 40 done, 4.0 a second, 10 min left: unit 10",
        "3 %, 80 done, 4.0 a second, 10 min left: unit 20",
        "5 %, 120 done, 4.0 a second, 10 min left: unit 30",
    ]
    bar.clear()
    assert "\x1b" not in err.getvalue()


def test_where_the_result_is_for_a_program_it_is_quiet() -> None:
    err, clock = Terminal(), Clock()
    bar = Progress(err, clock, quiet=True)
    clock.s = 60
    bar.step(1, 0.5, "unit 1")
    bar.clear()
    assert err.getvalue() == ""


def test_a_long_line_is_cut_to_the_terminals_width() -> None:
    err, clock = Terminal(), Clock()
    bar = Progress(err, clock)
    clock.s = 1
    bar.step(1, 0.5, "x" * 500)
    assert len(err.getvalue().removeprefix("\r\x1b[K")) < 500
