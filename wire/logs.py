"""Log lines: text on a terminal, one JSON object a line elsewhere. State changes only."""

import json
import logging
import sys
from datetime import UTC, datetime


class _JsonLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "t": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def setup(process: str, level: str = "INFO") -> None:
    """Send this process's log to stderr; `process` names it in every line."""
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        text = f"%(asctime)s {process} %(levelname)s %(message)s"
        handler.setFormatter(logging.Formatter(text, datefmt="%H:%M:%S"))
    else:
        handler.setFormatter(_JsonLines(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Libraries report each retry; we report each change of state ourselves.
    for chatty in ("pymodbus", "amqtt", "transitions", "urllib3", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
