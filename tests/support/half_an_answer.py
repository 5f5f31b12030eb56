"""Work for a process apart that ends while it answers. In a module of its own: the other process imports it by name."""

import gc
import os
import struct
from multiprocessing.connection import Connection
from typing import Any, Final

STATUS: Final = 3


def half_an_answer() -> None:
    """Send the length of an answer and less of it, then end this process."""
    known: list[Any] = [each for each in gc.get_objects() if isinstance(each, Connection)]
    (answers,) = (each for each in known if each.writable)
    os.write(answers.fileno(), struct.pack("!i", 1_000) + b"half of it")
    os._exit(STATUS)
