"""Dates and times of M-Bus, as the meter's own clock shows them: no time zone.

Source: EN 13757-3, data types G (date), F (to the minute), I (to the second), J (time of day).
"""

from datetime import date, datetime, time


def read(data: bytes) -> date | datetime | time | None:
    """The date or time in 2, 3, 4 or 6 bytes, low byte first; None for none or an impossible one."""
    try:
        if len(data) == 2:
            return _date(data)
        if len(data) == 3:
            return _time(data)
        if len(data) == 4 and not data[0] & 0x80:
            return datetime.combine(_date(data[2:]), time(data[1] & 31, data[0] & 63))
        if len(data) == 6 and not data[1] & 0x80:
            return datetime.combine(_date(data[3:5]), _time(data[:3]))
    except ValueError:
        pass  # as a meter without a set clock says it
    return None


def _date(data: bytes) -> date:
    year = data[0] >> 5 | data[1] >> 4 << 3
    if year > 99:
        raise ValueError("127 stands for every year")
    return date(year + (2000 if year <= 80 else 1900), data[1] & 15, data[0] & 31)


def _time(data: bytes) -> time:
    return time(data[2] & 31, data[1] & 63, data[0] & 63)
