"""Starts the call recorder in every Python process that has this folder on its path."""

import os

from call_recorder import install

if "RECORDED_CALLS" in os.environ:  # noqa: TID251 - there is nobody else to tell it
    install(os.environ["RECORDED_CALLS"], os.environ["RECORDED_SERVICE"])  # noqa: TID251 - as above
