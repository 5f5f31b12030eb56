"""Other engines that do the worker's work on the same sales file, for comparison.

Each reads the file, applies all rules of the job `sales` to every record (both dates must be days of the calendar),
joins the reference rows, writes the result, and writes rejects with number, first broken column, value and the fields
that came in. None looks for quotes, NULs, undecodable bytes or lost records, and a malformed file ends it: that Baton
does besides, and it tells every rule that a record breaks.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from baton_jobs.sales import ItemType, job

assert job.columns
assert job.lookup
COLUMNS: Final = job.columns
ADDED: Final = job.lookup.columns
ARROW: Final[Any] = import_module("pyarrow")
ARROW_CSV: Final[Any] = import_module("pyarrow.csv")
"""Loaded so because they have no type information."""
ITEMS: Final = list(ItemType.__value__.__args__)
CHANNELS: Final = ["Online", "Offline"]
PRIORITIES: Final = ["C", "H", "M", "L"]
NUMBER: Final = "^[0-9]{9}$"
DATE: Final = r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}$"
DAY_IN_DATE: Final = "^[0-9]{1,2}/(?P<day>[0-9]{1,2})/"
TEXT_CHARS_MAX: Final = 200

type Paths = tuple[Path, Path, Path]
"""Input, result, rejects."""


def _rules[C](
    *,
    number: Callable[[str], C],
    text: Callable[[str], C],
    day: Callable[[str], C],
    one_of: Callable[[str, list[str]], C],
) -> dict[str, C]:
    """Return the rules of the job in an engine's own terms, by column, in the order in which they are told."""
    return {
        "uuid": number("uuid"),
        "Country": text("Country"),
        "Item Type": one_of("Item Type", ITEMS),
        "Sales Channel": one_of("Sales Channel", CHANNELS),
        "Order Priority": one_of("Order Priority", PRIORITIES),
        "Order Date": day("Order Date"),
        "Region": text("Region"),
        "Ship Date": day("Ship Date"),
    }


# --- polars ----------------------------------------------------------------------------------------------------------


def _checks() -> dict[str, pl.Expr]:
    def number(name: str) -> pl.Expr:
        return pl.col(name).str.contains(NUMBER)

    def one_of(name: str, values: list[str]) -> pl.Expr:
        return pl.col(name).is_in(values)

    def text(name: str) -> pl.Expr:
        return pl.col(name).str.len_chars().is_between(1, TEXT_CHARS_MAX)

    def day(name: str) -> pl.Expr:
        return pl.col(name).str.contains(DATE) & pl.col(name).str.to_date("%m/%d/%y", strict=False).is_not_null()

    passes = _rules(number=number, text=text, day=day, one_of=one_of)
    return {name: expression.fill_null(value=False) for name, expression in passes.items()}


def _judged(frame: pl.LazyFrame, table: pl.DataFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Return the result and the rejects."""
    first = pl.coalesce(pl.when(~passes).then(pl.lit(name)) for name, passes in _checks().items())
    known = table.lazy().with_columns(found=pl.lit(value=True))
    judged = (
        frame.with_row_index("record_number", offset=1)
        .with_columns(first.alias("column"))
        .join(known, on="uuid", how="left", maintain_order="left")
        .with_columns(pl.coalesce("column", pl.when(pl.col("found").is_null()).then(pl.lit("uuid"))))
    )
    value = pl.coalesce(pl.when(pl.col("column") == name).then(pl.col(name)) for name in COLUMNS)
    rejects = judged.filter(pl.col("column").is_not_null()).select(
        "record_number", "column", value.alias("value"), pl.concat_str(COLUMNS, separator=",").alias("line")
    )
    return judged.filter(pl.col("column").is_null()).select(*COLUMNS, *ADDED), rejects


def polars_eager(paths: Paths, table: pl.DataFrame) -> None:
    source, target, rejected = paths
    good, bad = pl.collect_all(_judged(pl.read_csv(source, infer_schema=False).lazy(), table))
    good.write_csv(target)
    bad.write_csv(rejected)


def polars_lazy(paths: Paths, table: pl.DataFrame, engine: Any) -> None:
    source, target, rejected = paths
    good, bad = _judged(pl.scan_csv(source, infer_schema=False), table)
    pl.collect_all([good.sink_csv(target, lazy=True), bad.sink_csv(rejected, lazy=True)], engine=engine)


# --- duckdb ----------------------------------------------------------------------------------------------------------


def _quoted(names: tuple[str, ...], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _duckdb_rules() -> dict[str, str]:
    def number(name: str) -> str:
        return f"regexp_matches(\"{name}\", '{NUMBER}')"

    def one_of(name: str, values: list[str]) -> str:
        return f'"{name}" IN ({", ".join(repr(value) for value in values)})'

    def text(name: str) -> str:
        return f'length("{name}") BETWEEN 1 AND {TEXT_CHARS_MAX}'

    def day(name: str) -> str:
        return f"regexp_matches(\"{name}\", '{DATE}') AND try_strptime(\"{name}\", '%-m/%-d/%y') IS NOT NULL"

    return _rules(number=number, text=text, day=day, one_of=one_of)


def duckdb_sql(paths: Paths, table: pl.DataFrame) -> None:
    source, target, rejected = paths
    first = " ".join(f"WHEN NOT coalesce({check}, false) THEN '{name}'" for name, check in _duckdb_rules().items())
    value = " ".join(f"WHEN '{name}' THEN \"{name}\"" for name in COLUMNS)
    database = duckdb.connect(config={"threads": 1})
    known: Any = table
    database.register("reference", known.to_arrow())
    database.execute(f"""
        CREATE TABLE judged AS
        SELECT s.*, {_quoted(ADDED, "r.")},
               CASE WHEN s.first IS NULL AND r.uuid IS NULL THEN 'uuid' ELSE s.first END AS broken
        FROM (SELECT *, row_number() OVER () AS record_number, CASE {first} END AS first
              FROM read_csv('{source}', all_varchar = true, header = true)) s
        LEFT JOIN reference r ON s.uuid = r.uuid
        ORDER BY record_number
    """)  # noqa: S608 - our own names
    database.execute(
        f"COPY (SELECT {_quoted((*COLUMNS, *ADDED))} FROM judged WHERE broken IS NULL) TO '{target}' (HEADER)"  # noqa: S608 - the same
    )
    database.execute(
        f"COPY (SELECT record_number, broken, CASE broken {value} END, concat_ws(',', {_quoted(COLUMNS)}) "  # noqa: S608 - the same
        f"FROM judged WHERE broken IS NOT NULL) TO '{rejected}' (HEADER)"
    )
    database.close()


# --- pyarrow ---------------------------------------------------------------------------------------------------------


def _arrow_first(table: Any) -> Any:
    compute: Any = import_module("pyarrow.compute")

    def number(name: str) -> Any:
        return compute.match_substring_regex(table[name], NUMBER)

    def one_of(name: str, values: list[str]) -> Any:
        return compute.is_in(table[name], value_set=ARROW.array(values))

    def text(name: str) -> Any:
        length = compute.utf8_length(table[name])
        return compute.and_(compute.greater_equal(length, 1), compute.less_equal(length, TEXT_CHARS_MAX))

    def day(name: str) -> Any:
        # It parses what is distinct, as there is no parser that marks what is wrong; this is its fastest way.
        encoded = table[name].combine_chunks().dictionary_encode()
        looks = compute.match_substring_regex(encoded.dictionary, DATE)
        shown = compute.if_else(looks, encoded.dictionary, None)
        days = compute.strptime(shown, format="%m/%d/%y", unit="s", error_is_null=True)
        # It takes the 30th of February for the 2nd of March.
        written = compute.struct_field(compute.extract_regex(shown, DAY_IN_DATE), "day")
        is_one = compute.equal(compute.day(days), compute.cast(written, "int64"))
        return compute.take(compute.fill_null(is_one, fill_value=False), encoded.indices)

    passes = _rules(number=number, text=text, day=day, one_of=one_of)
    broken = [compute.if_else(compute.invert(check), name, None) for name, check in passes.items()]
    return compute.coalesce(*broken)


def arrow(paths: Paths, table: pl.DataFrame) -> None:
    source, target, rejected = paths
    compute: Any = import_module("pyarrow.compute")
    known: Any = table
    reference = known.to_arrow()
    types = ARROW_CSV.ConvertOptions(column_types=dict.fromkeys(COLUMNS, ARROW.string()), strings_can_be_null=False)
    sales: Any = ARROW_CSV.read_csv(source, ARROW_CSV.ReadOptions(use_threads=False), convert_options=types)
    place = compute.index_in(sales["uuid"], value_set=reference["uuid"].cast(ARROW.string()).combine_chunks())
    first = compute.coalesce(_arrow_first(sales), compute.if_else(compute.is_null(place), "uuid", None))
    good, bad = compute.is_null(first), compute.is_valid(first)
    result, rows = sales.filter(good), reference.take(place.filter(good))
    for name in ADDED:
        result = result.append_column(name, rows[name])
    _write(result, target)
    lost = sales.filter(bad).append_column("column", first.filter(bad))
    numbers = ARROW.array(range(1, sales.num_rows + 1)).filter(bad.combine_chunks())
    value = compute.coalesce(
        *(compute.if_else(compute.equal(lost["column"], name), lost[name], None) for name in COLUMNS)
    )
    line = compute.binary_join_element_wise(*(lost[name] for name in COLUMNS), ",")
    rejects = ARROW.table({"record_number": numbers, "column": lost["column"], "value": value, "line": line})
    ARROW_CSV.write_csv(rejects, rejected)


def _write(table: Any, target: Path) -> None:
    with target.open("wb") as out:
        out.write(",".join(table.column_names).encode() + b"\n")
        options = ARROW_CSV.WriteOptions(include_header=False, quoting_style="needed")
        # "needed" quotes all text of a column that holds one value to quote: what this file has none of.
        plain = ARROW_CSV.WriteOptions(include_header=False, quoting_style="none")
        ARROW_CSV.write_csv(table, out, options if _has_special(table) else plain)


def _has_special(table: Any) -> bool:
    compute: Any = import_module("pyarrow.compute")
    return any(compute.any(compute.match_substring_regex(column, '[,"\r\n]')).as_py() for column in table.columns)
