"""The reference controller: one file a strategy."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hil.balancing.bias_aware import BiasAware
from hil.balancing.charge_ledger import ChargeLedger
from hil.balancing.compensated import CompensatedPhysics, CompensatedTrade
from hil.balancing.diybms import DiyBms
from hil.balancing.evidence import MeasurementDiscipline, OpenWireSafety, Plausibility
from hil.balancing.fixed_threshold import FixedThreshold
from hil.balancing.foxbms_history import FoxBmsHistory
from hil.balancing.greedy import Greedy
from hil.balancing.heat import BangBang, Derating
from hil.balancing.hybrid import Hybrid
from hil.balancing.libresolar import LibreSolar
from hil.balancing.none import NoBalancing
from hil.balancing.oracle import Oracle
from hil.balancing.rationing import NeighbourExclusion, PowerBudget
from hil.balancing.self_proving import SelfProving
from hil.balancing.state_aware import StateAware
from hil.balancing.top_balance import TopBalance

STRATEGIES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "bias-aware": BiasAware,
        "charge-ledger": ChargeLedger,
        "compensated-physics": CompensatedPhysics,
        "compensated-trade": CompensatedTrade,
        "diybms": DiyBms,
        "fixed-threshold": FixedThreshold,
        "foxbms-history": FoxBmsHistory,
        "greedy": Greedy,
        "hybrid": Hybrid,
        "libresolar": LibreSolar,
        "none": NoBalancing,
        "oracle": Oracle,
        "self-proving": SelfProving,
        "state-aware": StateAware,
        "top-balance": TopBalance,
    }
)
"""Every strategy a profile can name. Each class is a frozen dataclass: its fields are what a
profile may set, in the unit of their suffix, and it implements ``hil.balancing.strategy.Strategy``
(``tests/unit/test_strategies.py`` holds each of them to that)."""

LAYERS: Mapping[str, type[Any]] = MappingProxyType(
    {
        layer.kind: layer
        for layer in (
            BangBang,
            Derating,
            MeasurementDiscipline,
            NeighbourExclusion,
            OpenWireSafety,
            Plausibility,
            PowerBudget,
        )
    }
)
"""Every layer a profile can put around a strategy (``hil.balancing.layers``)."""
