"""Tables with a class to predict."""

from __future__ import annotations

from typing import Any

from table_sets.sources import flights, from_keel, from_r, from_sklearn
from table_sets.table import Set


def captured(frame: Any) -> Any:
    """Leave out the animals that were not identified, and genera seen fewer than 20 times."""
    counts = frame["genus"].value_counts()
    return frame[frame["genus"].isin(counts[counts >= 20].index)]


def by_date(frame: Any) -> Any:
    """Replace the time of a stop by month, weekday and hour."""
    import pandas as pd

    date = pd.to_datetime(frame["date"])
    return frame.assign(
        month=date.dt.month, weekday=date.dt.day_name(), hour=date.dt.hour
    ).drop(columns="date")  # fmt: skip


CLASSIFICATION: tuple[Set, ...] = (
    # -- mixed columns --------------------------------------------------------------------------
    Set("titanic", "binary", 1_309, 3, from_r("carData/TitanicSurvival", "survived")),
    Set("oj", "binary", 1_070, 17, from_r("ISLR/OJ", "Purchase", text=["StoreID", "STORE"])),
    Set("attrition", "binary", 1_470, 30, from_r("modeldata/attrition", "Attrition")),
    Set("credit", "binary", 4_454, 13, from_r("modeldata/credit_data", "Status")),
    Set("churn", "binary", 5_000, 19, from_r("modeldata/mlc_churn", "churn")),
    Set("remote-work", "binary", 5_594, 20, from_r("modeldata/stackoverflow", "Remote")),
    Set("caravan", "binary", 5_822, 85, from_r(
        "ISLR/Caravan", "Purchase", text=["MOSTYPE", "MOSHOOFD"])),
    Set("health-insurance", "binary", 8_802, 10, from_r("AER/HealthInsurance", "insurance")),
    Set("lending-club", "binary", 9_857, 22, from_r("modeldata/lending_club", "Class")),
    Set("default", "binary", 10_000, 3, from_r("ISLR/Default", "default")),
    Set("taxi-tip", "binary", 10_000, 6, from_r("modeldata/taxi", "tip")),
    Set("smoker", "binary", 10_000, 6, from_r("AER/SmokeBan", "smoker")),
    # injSeverity counts the dead among its degrees, caseid names the accident, and weight is that
    # of a sample drawn by how badly people were hurt
    Set("crash-deaths", "binary", 26_217, 11, from_r(
        "DAAG/nassCDS", "dead", drop=["injSeverity", "caseid", "weight"])),
    # uid numbers the respondents
    Set("trump-vote", "binary", 44_932, 19, from_r(
        "stevedata/TV16", "votetrump", drop=["uid"], of_target=lambda y: y.astype(int))),
    # the three left out are what came of a stop, idNum is its number
    Set("police-stops", "binary", 51_920, 11, from_r(
        "carData/MplsStops", "problem", change=by_date,
        drop=["idNum", "citationIssued", "personSearch", "vehicleSearch"])),
    Set("fertility", "binary", 254_654, 7, from_r("AER/Fertility", "morekids")),
    Set("flights-late", "binary", 327_346, 11, flights),
    # genus is a part of species_id and species, and of one taxon; record_id numbers the captures
    Set("rodents", "multiclass", 34_717, 8, from_r(
        "ratdat/complete", "genus", change=captured, text=["plot_id"],
        drop=["record_id", "species_id", "species", "taxa"])),
    Set("german", "binary", 1_000, 20, from_keel("german")),
    Set("contraceptive", "multiclass", 1_473, 9, from_keel("contraceptive", text=[6])),
    Set("splice", "multiclass", 3_190, 60, from_keel("splice")),
    # -- numbers ----------------------------------------------------------------------------------
    # case says which rows the authors trained on
    Set("cells", "binary", 2_019, 56, from_r("modeldata/cells", "class", drop=["case"])),
    Set("breast-cancer", "binary", 569, 30, from_sklearn("breast_cancer")),
    Set("wine", "multiclass", 178, 13, from_sklearn("wine")),
    Set("digits", "multiclass", 1_797, 64, from_sklearn("digits")),
    Set("vehicle", "multiclass", 846, 18, from_keel("vehicle")),
    Set("segment", "multiclass", 2_310, 19, from_keel("segment")),
    Set("spambase", "binary", 4_597, 57, from_keel("spambase")),
    Set("phoneme", "binary", 5_404, 5, from_keel("phoneme")),
    Set("satimage", "multiclass", 6_435, 36, from_keel("satimage")),
    Set("magic", "binary", 19_020, 10, from_keel("magic")),
    Set("letter", "multiclass", 20_000, 16, from_keel("letter")),
)  # fmt: skip
