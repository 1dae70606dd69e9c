"""One JSON object a line. What is sent (headers, bodies) is never logged: secrets, and strangers' words."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime

LOGGER = logging.getLogger("odoo_ops.webhook")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """A record as JSON: time, level, logger, message, what `extra` adds, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_as_json() -> None:
    """All loggers of this process to stderr, as JSON; of libraries only warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(logging.INFO)
    threading.excepthook = _log_end_of_thread
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.partition(".")[0] in {"prefect", "uvicorn"} and isinstance(logger, logging.Logger):
            logger.handlers, logger.propagate = [], True


def _log_end_of_thread(end: threading.ExceptHookArgs) -> None:
    LOGGER.critical("a part of the receiver cannot go on: it ends", exc_info=end.exc_value)
