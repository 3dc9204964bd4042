"""What billing receives of a finished chart: an 837-ready claim and FHIR R4."""

from codesuggest.claims.chart import (
    FinalDiagnosis,
    FinalProcedure,
    FinishedChart,
    Patient,
    PhysicianQuery,
    Quote,
    chart_from_dict,
    read_chart,
)
from codesuggest.claims.edi import claim_objects
from codesuggest.claims.fhir import fhir_bundle, validate_bundle
from codesuggest.claims.from_log import chart_from_log, with_facts
from codesuggest.claims.open_items import OpenItem, UnfinishedChartError, open_items, require_finished

__all__ = [
    "FinalDiagnosis",
    "FinalProcedure",
    "FinishedChart",
    "OpenItem",
    "Patient",
    "PhysicianQuery",
    "Quote",
    "UnfinishedChartError",
    "chart_from_dict",
    "chart_from_log",
    "claim_objects",
    "fhir_bundle",
    "open_items",
    "read_chart",
    "require_finished",
    "validate_bundle",
    "with_facts",
]
