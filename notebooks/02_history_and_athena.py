# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # History, and asking Athena
#
# Which months of the past the lake has, what became of the files that they were made of, and questions that live rows and history
# answer as one. It only reads.
#
# The same SQL goes to Athena, or to DuckDB on this machine. `TICKLAKE_ATHENA` (a database that
# `./spark-submit.sh catalog` has filled, such as `ticklake`) and `TICKLAKE_ATHENA_OUTPUT` (`s3://bucket/athena`) choose Athena, by
# boto3 and its usual credentials; without them DuckDB reads the lake that `TICKLAKE_LAKE` names (`demo/lake`). As a script it saves its
# pictures in `TICKLAKE_PICTURES`, or beside the lake.

# %%
import builtins
import os
import time
from pathlib import Path
from urllib.parse import unquote

import boto3
import duckdb
import matplotlib.pyplot as plt
import pandas as pd
from deltalake import DeltaTable
from IPython.display import display

DATABASE, OUTPUT = os.environ.get("TICKLAKE_ATHENA"), os.environ.get("TICKLAKE_ATHENA_OUTPUT")
LAKE = Path(os.environ.get("TICKLAKE_LAKE") or next(filter(Path.is_dir, map(Path, ["demo/lake", "../demo/lake"])), "demo/lake"))
PICTURES = Path(os.environ.get("TICKLAKE_PICTURES") or LAKE.parent)
HERE = Path(__file__).parent if "__file__" in globals() else Path.cwd()
VIEWS = next(filter(Path.is_dir, [HERE / "../conf/views", HERE / "conf/views"]), HERE)

# %% [markdown]
# ## Whom to ask
#
# Athena answers in texts; pandas makes numbers of what looks like one. Locally a published month is read from its parquet object and every
# other one from the live table, as Athena's views do it.

# %%
JOINED = {"trades": "feed", "minute_aggregates": "feed", "klines": "width"}  # with what tells their series apart


def athena(sql: str) -> pd.DataFrame:
    """Ask, wait, and fetch all pages of the answer."""
    client = boto3.client("athena")
    id_ = client.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": DATABASE}, ResultConfiguration={"OutputLocation": OUTPUT}
    )["QueryExecutionId"]
    while (status := client.get_query_execution(QueryExecutionId=id_)["QueryExecution"]["Status"])["State"] in (
        "QUEUED",
        "RUNNING",
    ):
        time.sleep(0.5)
    if status["State"] != "SUCCEEDED":
        raise SystemExit(f"Athena: {status['State']}: {status.get('StateChangeReason')}")
    rows, names = [], []
    for page in client.get_paginator("get_query_results").paginate(QueryExecutionId=id_):
        names = [column["Name"] for column in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
        rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
    found = pd.DataFrame(rows[1:], columns=names)  # the first row repeats the names
    for name in names:
        numbers = pd.to_numeric(found[name], errors="coerce")
        if numbers.notna().sum() == found[name].notna().sum():
            found[name] = numbers
    return found


def without_zones(made: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Times are all UTC, and without a zone no library moves them to where we are: Athena's views have none either."""
    told = made.execute(f"DESCRIBE {sql}").fetchall()
    zoned = [f'"{name}"' for name, kind, *_ in told if kind == "TIMESTAMP WITH TIME ZONE"]
    utc = ", ".join(f"{name} AT TIME ZONE 'UTC' AS {name}" for name in zoned)
    return f"SELECT * REPLACE ({utc}) FROM ({sql})" if zoned else sql


def local() -> duckdb.DuckDBPyConnection:
    """DuckDB with the tables, the history and the views under the names that Athena has."""
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'")
    there = {}
    for place in sorted((LAKE / "tables").glob("*")):
        files = [unquote(uri) for uri in DeltaTable(place).file_uris()]
        if files:
            there[place.name] = f"SELECT * FROM read_parquet({files}, hive_partitioning = true)"
    if "published" not in there:
        raise SystemExit(
            f"There is no history in {LAKE} yet: `python -m ingest backfill` fetches files, `./spark-submit.sh compact` makes it of them. "
            "TICKLAKE_LAKE names another lake."
        )
    made.execute(f"CREATE TABLE published AS {there.pop('published')}")
    for name, sql in there.items():
        made.execute(f"CREATE VIEW {name}{'_live' if name in JOINED else ''} AS {without_zones(made, sql)}")
    for name, feed in JOINED.items():
        objects = [
            f"{LAKE}/{object_}"
            for (object_,) in made.execute("SELECT object FROM published WHERE dataset = ?", [name]).fetchall()
        ]
        of_month = "p.venue = t.venue AND p.market = t.market AND p.pair = t.pair AND p.year = t.year AND p.month = t.month"
        is_published = f"EXISTS (FROM published p WHERE dataset = '{name}' AND p.feed = t.{feed} AND {of_month})"
        parts = [f"SELECT * FROM {name}_live t WHERE NOT {is_published}"] if name in there else []
        parts += [f"SELECT * FROM read_parquet({objects}, hive_partitioning = true)"] if objects else []
        if parts:
            made.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(without_zones(made, part) for part in parts)}")
    left = {path.stem: path.read_text() for path in sorted(VIEWS.glob("*.sql"))}
    for _ in range(len(left)):  # one may read another
        for name, sql in list(left.items()):
            try:
                made.execute(f"CREATE VIEW {name} AS {sql}")
                del left[name]
            except duckdb.CatalogException:
                pass  # it reads a table that is not there
    return made


if DATABASE:
    ask = athena
else:
    duck = local()

    def ask(sql: str) -> pd.DataFrame:
        """Of DuckDB."""
        return duck.execute(sql).df()


pd.set_option("display.width", 160, "display.max_columns", 20)

# %% [markdown]
# ## What of the past is there
#
# One row an object of history. `missing` are ids that the venue's own files have not: [docs/tables.md](../docs/tables.md#published).

# %%
months = ask("""
    SELECT dataset, venue, market, feed, pair, year, month, "rows", missing, duplicates, bytes
    FROM published ORDER BY dataset, venue, market, feed, pair, year, month""")
of_series = ["dataset", "venue", "market", "feed", "pair"]
summed = months.assign(first=months["year"] * 100 + months["month"]).groupby(of_series, dropna=False)
display(summed.agg(months=("first", "size"), first=("first", "min"), last=("first", "max"), rows=("rows", "sum"),
                   missing=("missing", "sum"), megabytes=("bytes", lambda b: round(b.sum() / 1e6, 3))))  # fmt: skip

# %% [markdown]
# What became of the files. Anything but `loaded` and `as_in_month` wants a look: `detail` says what is wrong.

# %%
display(
    ask(
        "SELECT dataset, verdict, count(*) AS files, sum(rejected) AS rejected FROM loads GROUP BY dataset, verdict ORDER BY 1, 2"
    )
)

# %%
plt.rcParams.update(
    {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True}
)


def finish(figure: plt.Figure, name: str) -> None:
    """A notebook shows a figure by itself, a script saves it."""
    if not hasattr(builtins, "__IPYTHON__"):
        figure.savefig(PICTURES / f"{name}.png", dpi=110)
        print(f"saved: {PICTURES / name}.png")


# %% [markdown]
# ## Live and history as one
#
# Each day of each series, wherever its rows are: how many minutes have trades, and how many trades are missing.

# %%
days = ask("""
    SELECT venue, market, feed, pair, date_trunc('day', minute) AS day, count(*) AS minutes, sum(trades) AS trades,
           coalesce(sum(missing_trades), 0) AS missing, sum(quote_volume) AS amount
    FROM minute_aggregates GROUP BY venue, market, feed, pair, date_trunc('day', minute) ORDER BY venue, market, feed, pair, 5""")
display(days.tail(20))

# %%
days["day"] = pd.to_datetime(days["day"])
series = days.groupby(["venue", "market", "feed", "pair"])
figure, axis = plt.subplots(figsize=(12, 1.4 + 0.42 * len(series)))
for row, (_, one) in enumerate(series):
    color = (one["missing"].astype(float) > 0).map({True: "#e76f00", False: "#8fc9b4"})
    axis.scatter(one["day"], [row] * len(one), c=color, marker="s", s=36)
axis.set_yticks(range(len(series)), [f"{pair}  {venue} {market}, {feed}" for venue, market, feed, pair in series.groups])
axis.margins(y=0.4)
axis.set_xlim(days["day"].min() - pd.Timedelta(days=5), days["day"].max() + pd.Timedelta(days=5))
axis.invert_yaxis()
axis.set_title("Days with trades, live and history; orange: trades are missing", loc="left", fontweight="bold")
figure.autofmt_xdate(rotation=0, ha="center")
finish(figure, "history_days")

# %% [markdown]
# ## Candles of any width
#
# The view `candles` puts minutes together. Name `pair`, `year` and `month` in a question: nothing else is read then.

# %%
newest = days.sort_values("day").iloc[-1]
candles = ask(f"""
    SELECT start, open, high, low, close, volume FROM candles
    WHERE width = '1h' AND pair = '{newest["pair"]}' AND year = {newest["day"].year} AND month = {newest["day"].month} ORDER BY start""")
display(candles.head(24))
