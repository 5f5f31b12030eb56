"""The example jobs judge as their users expect."""

import pytest
from pydantic import ValidationError

from baton.catalog import load_jobs, offered
from baton_jobs.sales import Sale

GOOD = {
    "uuid": "535113847",
    "Country": "Azerbaijan",
    "Item Type": "Snacks",
    "Sales Channel": "Online",
    "Order Priority": "C",
    "Order Date": "10/8/14",
    "Region": "Middle East and North Africa",
    "Ship Date": "10/23/14",
}


def test_example_package_holds_sales_and_passthrough() -> None:
    assert set(offered(load_jobs("baton_jobs"))) == {"passthrough", "sales"}


def test_good_sale_passes() -> None:
    assert Sale.model_validate(GOOD).uuid == "535113847"


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("uuid", "53511384", "string_pattern_mismatch"),
        ("uuid", "53511384x", "string_pattern_mismatch"),
        ("uuid", "535113847\n", "string_pattern_mismatch"),
        ("Country", "", "string_too_short"),
        ("Country", "x" * 201, "string_too_long"),
        ("Item Type", "Weapons", "literal_error"),
        ("Sales Channel", "online", "literal_error"),
        ("Order Priority", "X", "literal_error"),
        ("Order Date", "10/8/2014", "short_date_format"),
        ("Ship Date", "2/29/13", "short_date_day"),
        ("Region", "", "string_too_short"),
    ],
)
def test_bad_sale_breaks_the_named_rule(column: str, value: str, rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sale.model_validate(GOOD | {column: value})

    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [((column,), rule)]


def test_sales_adds_the_financial_columns_after_its_own() -> None:
    job = load_jobs("baton_jobs")["sales"].job

    columns = job.output_columns(tuple(GOOD))

    assert job.columns == tuple(GOOD)
    assert columns[-6:] == ("unitsSold", "unitPrice", "unitCost", "totalRevenue", "totalCost", "totalProfit")
