"""Where a chamber cannot follow the weather that a profile gives it."""

import math
from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.core.instants import DAY, Duration, clock_text
from hil.profile.entries import key_of_path
from hil.profile.model import Outdoors, all_steps
from hil.profile.scene import Scene


def weather_hints(scene: Scene, lasts: Duration) -> Iterator[ConfigError]:
    """Say what of the weather stays outside the chamber while the profile lasts, at least a day.

    No error: a chamber at its limit through a desert's noon is still a hot day, and the rows tell
    what it was.
    """
    span = max(lasts, DAY)
    for step in all_steps(scene.profile.steps):
        if not isinstance(step, Outdoors) or scene.chamber is None:
            continue
        needs, can = scene.profile.needs.chamber, scene.chamber.set_degc
        floor = max(can.low, -math.inf if needs.min_degc is None else needs.min_degc)
        ceiling = min(can.high, math.inf if needs.max_degc is None else needs.max_degc)
        low, high = step.weather.range_degc(span)
        beyond = [f"{high:.1f} degC"] if high > ceiling else []
        beyond += [f"{low:.1f} degC"] if low < floor else []
        if beyond:
            reaches = f"the weather reaches {' and '.join(beyond)} within {clock_text(span)}"
            stays = f"the chamber stays within {floor:g} to {ceiling:g} degC"
            key = f"{key_of_path(step.path)}.chamber.climate"
            yield scene.profile.wrong(key, f"{reaches}; {stays} (needs.chamber)")
