"""Recognises a canary that is much slower than it was. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import median
from typing import Final

from baton.model.journal import Signal, Verdict
from handover.facts import Sample
from handover.settings import ControllerSettings

type Usual = Mapping[tuple[str, Signal], tuple[tuple[float, float], ...]]
"""By Region and signal: seconds and load of those that went the whole way."""
_LOAD_ALIKE: Final = 2
"""Half the load of now is no less load: work comes in files, not evenly."""


def compared(samples: Iterable[Sample], usual: Usual, settings: ControllerSettings) -> tuple[list[Sample], Usual]:
    """Return the samples, the much slower ones as bad ones, and what is usual from now on."""
    after, found = dict(usual), list[Sample]()
    for sample in samples:
        key = (sample.region, sample.signal)
        judged = _judged(sample, after.get(key, ()), settings)
        found.append(judged)
        if judged.seconds is not None and judged.verdict is Verdict.HEALTHY:
            after[key] = (*after.get(key, ()), (judged.seconds, judged.load))[-settings.usual_samples :]
    return found, after


def _judged(sample: Sample, before: tuple[tuple[float, float], ...], settings: ControllerSettings) -> Sample:
    if sample.seconds is None or sample.verdict is not Verdict.HEALTHY or sample.seconds < settings.slow_seconds:
        return sample
    # Under more load than ever nobody knows what is usual.
    alike = [seconds for seconds, load in before if load * _LOAD_ALIKE >= sample.load]
    if len(alike) < settings.usual_samples_min:
        return sample
    usual = median(alike)
    if sample.seconds < settings.slow_times * usual:
        return sample
    text = f"{sample.value}, {settings.slow_times:g} times its usual {usual:.1f} s or more"
    return replace(sample, verdict=Verdict.UNHEALTHY, value=text)
