"""The electronics of a board: what it measures, how it bleeds, how warm it gets.

``BoardDesign`` is data (profiles/boards/*.yaml); all else are pure functions over it and over rows
(cells,) of one board's parts. What runs often is scalar source compiled by numba, the same for the
twins of one board and for a batch of packs.
"""

from hil.physics.board.active import share_transfer, transfer_currents
from hil.physics.board.bleed import (
    REFERENCE_DEGC,
    BleedPath,
    age_resistors,
    bleed_power_w,
    derated_w,
    duty_share,
    input_voltages,
    make_path,
    mean_bleed_currents,
    path_resistances,
    series_ohm,
)
from hil.physics.board.design import (
    ADC_MAX_V,
    MAX_CELLS,
    MAX_FRONT_ENDS,
    STATED_CELL_V,
    BoardDesign,
)
from hil.physics.board.groups import (
    ActiveBalancer,
    Derating,
    Feed,
    InternalFet,
    Leakage,
    Mosfet,
    NtcPart,
    Reference,
    Resistor,
    Ripple,
    SeriesNtc,
    Slots,
    Zones,
)
from hil.physics.board.leakage import leak_conductances, leaked_currents
from hil.physics.board.ntc import (
    KELVIN,
    Ntc,
    cold_limit_a,
    ntc_degc,
    ntc_divider_v,
    ntc_step_degc,
)
from hil.physics.board.parts import Chain, make_chain, make_ntcs
from hil.physics.board.sampling import (
    ReferenceState,
    add_ripple,
    move_reference,
    reference_ppm,
    ripple_gain,
    sample_cells,
    trigger_voltages,
)
from hil.physics.board.zones import ZoneNetwork, make_zones, step_zones
from hil.physics.noise import noise_row, uniform_row
from hil.physics.wiring import Row

__all__ = [
    "ADC_MAX_V",
    "KELVIN",
    "MAX_CELLS",
    "MAX_FRONT_ENDS",
    "REFERENCE_DEGC",
    "STATED_CELL_V",
    "ActiveBalancer",
    "BleedPath",
    "BoardDesign",
    "Chain",
    "Derating",
    "Feed",
    "InternalFet",
    "Leakage",
    "Mosfet",
    "Ntc",
    "NtcPart",
    "Reference",
    "ReferenceState",
    "Resistor",
    "Ripple",
    "Row",
    "SeriesNtc",
    "Slots",
    "ZoneNetwork",
    "Zones",
    "add_ripple",
    "age_resistors",
    "bleed_power_w",
    "cold_limit_a",
    "derated_w",
    "duty_share",
    "input_voltages",
    "leak_conductances",
    "leaked_currents",
    "make_chain",
    "make_ntcs",
    "make_path",
    "make_zones",
    "mean_bleed_currents",
    "move_reference",
    "noise_row",
    "ntc_degc",
    "ntc_divider_v",
    "ntc_step_degc",
    "path_resistances",
    "reference_ppm",
    "ripple_gain",
    "sample_cells",
    "series_ohm",
    "share_transfer",
    "step_zones",
    "transfer_currents",
    "trigger_voltages",
    "uniform_row",
]
