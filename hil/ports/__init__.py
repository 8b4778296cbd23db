"""What the bench needs from the outside, as Protocols; ``drivers`` implements them.

Here are all their names; which room one stands in is nobody's concern outside.
"""

from hil.ports.clock import Clock, Timer
from hil.ports.devices import (
    Board,
    BoardFault,
    BoardReport,
    CellEmulator,
    CellReadings,
    Chamber,
    ChamberReading,
    Describing,
    Device,
    DriverFactory,
    FaultBox,
    Forcible,
    Identity,
    Supply,
    SupplyReading,
)
from hil.ports.engines import BoardEngine, Electronics, EngineKind, Firmware, LiveFactory, SpiBus
from hil.ports.guard import Guard
from hil.ports.labs import ControlKind, ControlPort, Handle
from hil.ports.links import (
    ByteLink,
    Disturber,
    DisturberFactory,
    Endpoint,
    EndpointFactory,
    FrameLink,
    Link,
    LinkFactory,
    LinkKind,
    Place,
    Tap,
)
from hil.ports.recording import Recorder
from hil.ports.twins import (
    POWER_LOSS,
    ByteTwin,
    FrameTwin,
    Inhabited,
    Injectable,
    LabPlan,
    TwinFactory,
)

__all__ = [
    "POWER_LOSS",
    "Board",
    "BoardEngine",
    "BoardFault",
    "BoardReport",
    "ByteLink",
    "ByteTwin",
    "CellEmulator",
    "CellReadings",
    "Chamber",
    "ChamberReading",
    "Clock",
    "ControlKind",
    "ControlPort",
    "Describing",
    "Device",
    "Disturber",
    "DisturberFactory",
    "DriverFactory",
    "Electronics",
    "Endpoint",
    "EndpointFactory",
    "EngineKind",
    "FaultBox",
    "Firmware",
    "Forcible",
    "FrameLink",
    "FrameTwin",
    "Guard",
    "Handle",
    "Identity",
    "Inhabited",
    "Injectable",
    "LabPlan",
    "Link",
    "LinkFactory",
    "LinkKind",
    "LiveFactory",
    "Place",
    "Recorder",
    "SpiBus",
    "Supply",
    "SupplyReading",
    "Tap",
    "Timer",
    "TwinFactory",
]
