"""Tables with a number to predict.

Prices, wages and durations that range over orders of magnitude are predicted as logarithms: of a
squared error in dollars the few largest would be all.
"""

from __future__ import annotations

import numpy as np

from table_sets.sources import from_r, from_sklearn
from table_sets.table import Set

RATING_SHARES = [f"r{i}" for i in range(1, 11)]
# of the loans: what was set together with the rate, and what came after
LOAN_TERMS = ["grade", "sub_grade", "installment"]
LOAN_COURSE = [
    "balance", "paid_total", "paid_principal", "paid_interest", "paid_late_fees", "loan_status",
]  # fmt: skip

REGRESSION: tuple[Set, ...] = (
    # -- mixed columns --------------------------------------------------------------------------
    Set("hitters", "regression", 263, 19, from_r("ISLR/Hitters", "Salary", of_target=np.log)),
    Set("carseats", "regression", 400, 10, from_r("ISLR/Carseats", "Sales")),
    Set("colleges", "regression", 777, 17, from_r("ISLR/College", "Outstate")),
    Set("sacramento", "regression", 932, 8, from_r(
        "modeldata/Sacramento", "price", of_target=np.log)),
    # logwage is the target; all rows are of one region
    Set("wages", "regression", 3_000, 8, from_r(
        "ISLR/Wage", "wage", drop=["logwage", "region"])),
    Set("ames", "regression", 2_930, 73, from_r(
        "modeldata/ames", "Sale_Price", of_target=np.log)),
    # the others count visits too, to other places, of the same people in the same months
    Set("doctor-visits", "regression", 4_406, 14, from_r(
        "AER/NMES1988", "visits", drop=["nvisits", "ovisits", "novisits", "emergency"])),
    # read3 is the other test of the same day
    Set("star-math", "regression", 6_077, 45, from_r(
        "AER/STAR", "math3", drop=["read3"],
        text=[f"{kind}{year}" for kind in ("system", "schoolid") for year in "k123"])),
    Set("loan-rates", "regression", 10_000, 45, from_r(
        "openintro/loans_full_schema", "interest_rate", drop=[*LOAN_TERMS, *LOAN_COURSE])),
    Set("deliveries", "regression", 10_012, 30, from_r("modeldata/deliveries", "time_to_delivery")),
    # package has a value for each row; status says whether the check ended
    Set("check-times", "regression", 13_626, 22, from_r(
        "modeldata/check_times", "check_time", drop=["package", "status"], of_target=np.log1p)),
    # arrival_date_num says the same as a number
    Set("hotel-rates", "regression", 15_402, 26, from_r(
        "modeldata/hotel_rates", "avg_price_per_room", drop=["arrival_date"])),
    Set("cps-wages", "regression", 28_155, 6, from_r("AER/CPS1988", "wage", of_target=np.log)),
    # ageGroup and educGroup are kept, though they say less than age and educ
    Set("vocabulary", "regression", 27_519, 7, from_r("carData/GSSvocab", "vocab")),
    Set("gss-wages", "regression", 37_887, 10, from_r(
        "stevedata/gss_wages", "realrinc", text=["occ10"], of_target=np.log)),
    Set("diamonds", "regression", 53_940, 9, from_r("ggplot2/diamonds", "price")),
    # title has a value for nearly each row; r1 to r10 are the shares of the ratings
    Set("movies", "regression", 58_788, 12, from_r(
        "ggplot2movies/movies", "rating", drop=["title", *RATING_SHARES])),
    # s and d name students and lecturers
    Set("lectures", "regression", 73_421, 6, from_r(
        "lme4/InstEval", "y", text=["s", "d", "dept"])),
    # -- numbers --------------------------------------------------------------------------------
    Set("diabetes", "regression", 442, 10, from_sklearn("diabetes")),
    Set("car-prices", "regression", 804, 17, from_r(
        "modeldata/car_prices", "Price", of_target=np.log)),
    Set("concrete", "regression", 1_030, 8, from_r("modeldata/concrete", "compressive_strength")),
)  # fmt: skip
