"""Metrics of a run: a fold over its records and nothing else."""

from hil.verdict.registry import METRICS, MetricInfo, MetricValue, Uncertainties

__all__ = ["METRICS", "MetricInfo", "MetricValue", "Uncertainties"]
