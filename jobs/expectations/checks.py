"""Expectations checked by Great Expectations, which no other module knows: quickly first, then what failed again for the details."""

import copy
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.expectations.suites import QUERY, Expectation, Suite, SuiteError
from jobs.runtime.frames import keys

logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells of each function that it does not register
os.environ["GX_ANALYTICS_ENABLED"] = "false"  # it reads this while it is imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its own imports
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults, ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

# a warning for each decimal of 17 digits and more, which it would write as a float; we write none of its values as numbers
logging.getLogger("great_expectations.util").setLevel(logging.ERROR)

EXAMPLES = 20
LONGEST = 500  # characters of an error that are kept
NOTHING = "nothing to look at"


class Outcome(NamedTuple):
    """What a check came to."""

    expectation: Expectation
    success: bool | None  # None: nothing to look at
    observed: str
    checked: int | None
    unexpected: int | None
    examples: str  # JSON


class Found(NamedTuple):
    """What Great Expectations said of one expectation."""

    success: bool
    error: str | None
    result: Mapping[str, Any]


Form = Literal["BOOLEAN_ONLY", "COMPLETE"] | dict[str, Any]
Check = Callable[[DataFrame, Suite], Sequence[Outcome]]


def loaded(suite: Suite) -> None:
    """Does Great Expectations understand each of them? If not, the file is refused by name."""
    for one in suite.expectations:
        try:
            _known(one)
        except Exception as error:  # whatever it dislikes: pydantic's errors, its own, a KeyError
            raise SuiteError(f"{suite.name}.json: {one.name}: {_line(str(error))}") from error


def checker() -> Check:
    """A function from rows and a suite to what each of its expectations came to."""
    # nothing of it is kept: without these words it would make a folder for its pages
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    told = DataContextConfig(
        store_backend_defaults=stores, analytics_enabled=False, progress_bars=ProgressBarsConfig(globally=False)
    )
    context = gx.get_context(mode="ephemeral", project_config=told)
    asset = context.data_sources.add_spark("lake", persist=False).add_dataframe_asset("rows")
    batches = asset.add_batch_definition_whole_dataframe("all")

    def validated(rows: DataFrame, which: Sequence[Expectation], form: Form) -> Mapping[str, Found]:
        if not which:
            return {}
        batch = batches.get_batch(batch_parameters={"dataframe": rows})
        said = batch.validate(_suite(which), result_format=form)
        return {_name(one): _found(one) for one in said.results}

    def details(rows: DataFrame, which: Sequence[Expectation], key: Sequence[str]) -> Mapping[str, Found]:
        # a row's place is told by columns, of which a column that is left out of the table would be an error of its own
        place = [name for name in key if name in rows.columns]
        summary = {"result_format": "SUMMARY", "unexpected_index_column_names": place, "partial_unexpected_count": EXAMPLES}
        queries = [one for one in which if one.kind == QUERY]  # only `COMPLETE` gives the rows of their answers: 200 at most
        others = [one for one in which if one.kind != QUERY]
        return {**validated(rows, others, summary), **validated(rows, queries, "COMPLETE")}

    def check(rows: DataFrame, suite: Suite) -> Sequence[Outcome]:
        first = validated(rows, suite.expectations, "BOOLEAN_ONLY")
        # what raised has told its error; Great Expectations asks those that shared its query again, each alone
        wrong = [one for one in suite.expectations if not first[one.name].success and not first[one.name].error]
        again = details(rows, wrong, suite.table.key)
        looked_at = _counts(rows, suite.expectations)
        return [_outcome(one, first[one.name], again.get(one.name), looked_at[one.name]) for one in suite.expectations]

    return check


def _suite(which: Iterable[Expectation]) -> gx.ExpectationSuite:
    return gx.ExpectationSuite(name="now", expectations=[_known(one) for one in which])


def _known(one: Expectation) -> Any:  # noqa: ANN401 - one of Great Expectations' own
    """Made here: of those that it does not understand a suite says a line in the log, and goes on without them."""
    return ExpectationConfiguration(**copy.deepcopy(dict(one.told))).to_domain_obj()


def _name(said: Any) -> str:  # noqa: ANN401 - a result of Great Expectations
    return str(said.expectation_config.meta["name"])


def _found(said: Any) -> Found:  # noqa: ANN401 - a result of Great Expectations
    """With the error that it ended in: one, or one for each of its metrics."""
    info = said.exception_info or {}
    parts = [info] if "raised_exception" in info else list(info.values())
    errors = [_line(str(part.get("exception_message"))) for part in parts if part.get("raised_exception")]
    return Found(bool(said.success) and not errors, "; ".join(dict.fromkeys(errors)) or None, said.result or {})


def _outcome(one: Expectation, first: Found, again: Found | None, checked: int | None) -> Outcome:
    if first.success:
        if checked == 0:
            return Outcome(one, None, NOTHING, 0, 0, "[]")
        if checked is None or "mostly" in one.told["kwargs"]:  # how many are not so was not counted, as enough of them are
            return Outcome(one, True, "as expected", checked, None, "[]")
        return Outcome(one, True, f"0 of {checked}", checked, 0, "[]")
    if (error := first.error or (again.error if again else None)) is not None:
        return Outcome(one, False, f"error: {error}"[:LONGEST], checked, None, "[]")
    assert again is not None
    return Outcome(one, False, *_what_is_wrong(one, again.result, checked))


def _what_is_wrong(one: Expectation, told: Mapping[str, Any], checked: int | None) -> tuple[str, int | None, int | None, str]:
    if one.kind == QUERY:
        rows = told.get("details", {}).get("unexpected_rows", [])
        return f"{told['observed_value']} rows answer it", checked, told["observed_value"], _text(rows)
    if "unexpected_count" in told:
        count = told["unexpected_count"]
        return f"{count} of {checked}", checked, count, _text(told.get("partial_unexpected_index_list") or [])
    return f"observed: {told.get('observed_value')}", checked, None, "[]"


def _text(rows: Sequence[Any]) -> str:
    return json.dumps(rows[:EXAMPLES], default=str)


def _counts(rows: DataFrame, which: Iterable[Expectation]) -> Mapping[str, int | None]:
    """How many rows each of them looks at. One that cannot be counted, for a column is missing or cannot be computed: not known."""
    wanted = {one.name: one.looks_at for one in which}
    conditions = sorted({text for text in wanted.values() if text is not None})
    try:
        counted = _counted(rows, conditions)
    except Exception:  # noqa: BLE001 - the check itself says what is wrong; here the others are counted all the same
        counted = {text: count for text in conditions for count in [_alone(rows, text)]}
    return {name: None if text is None else counted[text] for name, text in wanted.items()}


def _counted(rows: DataFrame, conditions: Sequence[str]) -> dict[str, int | None]:
    if not conditions:
        return {}
    (row,) = keys(rows.agg(*(F.count_if(F.expr(text)) for text in conditions)))
    return dict(zip(conditions, row, strict=True))


def _alone(rows: DataFrame, condition: str) -> int | None:
    try:
        return _counted(rows, [condition])[condition]
    except Exception:  # noqa: BLE001 - see `_counts`
        return None


def _line(text: str) -> str:
    """The first line that says something, and what follows, in one."""
    return " ".join(text.split())
