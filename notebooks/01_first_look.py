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
# # A first look at the lake
#
# What is in it, what is missing, a market's candles, and several venues side by side. It only reads, and needs no Spark: delta-rs
# says which files belong to a table, DuckDB reads them.
#
# `make demo` makes the lake that is looked at, `demo/lake`; the environment's `TICKLAKE_LAKE` names another one. As a script
# (`.venv/bin/python notebooks/01_first_look.py`) it saves its pictures beside the lake.

# %%
import builtins
import os
from pathlib import Path
from urllib.parse import unquote

import duckdb
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from deltalake import DeltaTable
from IPython.display import display
from matplotlib.patches import Patch

# a notebook runs in its own folder, a script where somebody stands
LAKE = Path(os.environ.get("TICKLAKE_LAKE") or next(filter(Path.is_dir, map(Path, ["demo/lake", "../demo/lake"])), "demo/lake"))
if not (LAKE / "tables/minute_aggregates/_delta_log").is_dir():
    raise SystemExit(f"There are no tables in {LAKE} yet: run `make demo` first, or let TICKLAKE_LAKE name another lake.")

# %% [markdown]
# ## What is in the lake
#
# Every table is plain Delta; [docs/tables.md](../docs/tables.md) explains each column. `quarantine` holds what could not become a
# trade, with the reason; it is well when it is empty.

# %%
lake = duckdb.connect()
lake.execute("SET TimeZone = 'UTC'")
found = []
for place in sorted((LAKE / "tables").iterdir()):
    table = DeltaTable(place)
    files = [unquote(uri) for uri in table.file_uris()]  # a folder may have a space
    rows = 0
    if files:  # times without a zone, all UTC, so that no library moves them to where we are
        times = [field.name for field in table.schema().fields if field.type.type == "timestamp"]
        utc = ", ".join(f"{name} AT TIME ZONE 'UTC' AS {name}" for name in times)
        lake.execute(f"CREATE VIEW {place.name} AS SELECT * REPLACE ({utc}) FROM read_parquet({files}, hive_partitioning = true)")
        rows = len(lake.table(place.name))
    kilobytes = sum(Path(file).stat().st_size for file in files) // 1000
    found.append((place.name, rows, len(files), kilobytes, table.version()))
pd.set_option("display.width", 160, "display.max_columns", 20)
display(pd.DataFrame(found, columns=["table", "rows", "files", "kB", "version"]).set_index("table"))

# %% [markdown]
# A series is one feed of one pair on one market. Two feeds of a pair (`trade` and `agg_trade`) tell the same trades and are two
# series.

# %%
NAMES = ["venue", "market", "feed", "pair"]
series = lake.execute("""
    SELECT venue, market, feed, pair, min(minute) AS first_minute, max(minute) AS last_minute, count(*) AS minutes,
           sum(trades)::BIGINT AS trades, arg_max(close, minute) AS last_price, sum(volume) AS volume
    FROM minute_aggregates GROUP BY ALL ORDER BY ALL""").df()
display(series.set_index(NAMES))

# %% [markdown]
# ## How complete is it?
#
# Where a venue's ids are dense, a missing id is a missing trade. So a minute is *complete* (every id next to one of its trades
# was seen), has a *hole* (trades are missing, and it is known how many), or is *cut* (nothing is missing in it, but what was seen
# begins or ends there, or a hole begins right after it). Where ids are not dense, nothing is claimed. `empty`: without a row.

# %%
MINUTE = pd.Timedelta(minutes=1)
STATES = {"complete": "#8fc9b4", "hole": "#e76f00", "cut": "#b8bec7", "not known": "#e3e6ea"}
minutes = lake.execute("""
    SELECT *, CASE WHEN is_complete THEN 'complete' WHEN missing_trades > 0 THEN 'hole' WHEN is_complete IS NULL THEN 'not known'
              ELSE 'cut' END AS state
    FROM minute_aggregates ORDER BY minute""").df()
by_state = pd.crosstab([minutes[name] for name in NAMES], minutes["state"]).reindex(columns=list(STATES), fill_value=0)
of_series = minutes.groupby(NAMES)
missing, ticks = of_series["missing_trades"].sum(min_count=1), of_series["ticks"].sum()
empty = (of_series["minute"].max() - of_series["minute"].min()) // MINUTE + 1 - of_series.size()
display(by_state.assign(empty=empty, missing=missing, missing_pct=(100 * missing / (missing + ticks)).round(3)))

# %%
plt.rcParams.update({"font.size": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.axisbelow": True, "axes.spines.top": False})
plt.rcParams.update({"axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True})


def finish(figure: plt.Figure, axis: plt.Axes, begin: pd.Timestamp, end: pd.Timestamp, name: str) -> None:
    """The time axis; then a notebook shows the figure by itself, a script saves it."""
    locator = mdates.AutoDateLocator(minticks=6, maxticks=16)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))
    axis.set_xlim(begin, end)
    axis.set_xlabel(f"UTC, from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}")
    if not hasattr(builtins, "__IPYTHON__"):
        figure.savefig(LAKE.parent / f"{name}.png", dpi=110)
        print(f"saved: {LAKE.parent / name}.png")


figure, axis = plt.subplots(figsize=(12, 1.4 + 0.42 * len(by_state)))
for row, key in enumerate(by_state.index):
    one = of_series.get_group(key)
    for state, color in STATES.items():
        spans = [(begin, 1 / 1440) for begin in mdates.date2num(one.loc[one["state"] == state, "minute"])]  # in days
        edge, order = {"complete": (0.0, 1), "hole": (1.5, 3)}.get(state, (0.8, 2))  # one minute of a day has to be seen
        axis.broken_barh(spans, (row - 0.36, 0.72), facecolor=color, edgecolor=color, linewidth=edge, zorder=order)
axis.set_yticks(range(len(by_state)), [f"{pair}  {venue} {market}, {feed}" for venue, market, feed, pair in by_state.index])
axis.invert_yaxis()
axis.grid(visible=False, axis="y")
above = {"ncols": 5, "loc": "lower right", "bbox_to_anchor": (1, 1)}
axis.legend(handles=[Patch(color=color, label=state) for state, color in STATES.items()], **above)
axis.set_title("Completeness of each minute", loc="left", fontweight="bold")
finish(figure, axis, minutes["minute"].min(), minutes["minute"].max() + MINUTE, "first_look_completeness")

# %% [markdown]
# ## A market's candles
#
# The last day of one series: the busiest of those with a hole, else the busiest; put another one in its place to see that. Up to
# two hours are shown in minutes, more in wider bars. A bar with a hole has a band behind it that says how many are missing.

# %%
SERIES = lake.execute("""
    SELECT venue, market, feed, pair FROM minute_aggregates GROUP BY ALL
    ORDER BY coalesce(sum(missing_trades), 0) > 0 DESC, sum(trades) DESC, venue, market, feed, pair LIMIT 1""").fetchone()
BARS = """
    SELECT time_bucket(to_minutes($width), minute) AS start, arg_min(open, minute) AS open, max(high) AS high, min(low) AS low,
           arg_max(close, minute) AS close, sum(buy_volume) AS bought, sum(sell_volume) AS sold,
           sum(quote_volume) / sum(volume) AS vwap, coalesce(sum(missing_trades), 0)::BIGINT AS missing,
           coalesce(bool_and(is_complete), true) AS is_whole
    FROM minute_aggregates
    WHERE venue = $venue AND market = $market AND feed = $feed AND pair = $pair AND minute > $newest - INTERVAL 1 DAY
    GROUP BY ALL ORDER BY start"""


def bars(key: tuple[str, ...]) -> pd.DataFrame:
    """Candles of a series, of the width that suits all that is shown."""
    values = dict(zip(NAMES, key, strict=True)) | {"width": width, "newest": minutes["minute"].max().to_pydatetime()}
    return lake.execute(BARS, values).df().set_index("start")


shown = minutes.loc[minutes["minute"] > minutes["minute"].max() - pd.Timedelta(days=1), "minute"]
length = (shown.max() - shown.min()) / MINUTE + 1
width = next(width for width in (1, 5, 15) if length <= 120 * width)
candles = bars(SERIES)
display(candles.tail())

# %%
BOUGHT, SOLD = "#1b8a7a", "#c8435a"
venue, market, feed, pair = SERIES
base, quote = pair.split("-")
figure, (prices, volumes) = plt.subplots(2, 1, figsize=(12, 6.5), sharex=True, height_ratios=(3, 1.2))
middle = mdates.date2num(candles.index) + width / 2880  # days: a candle stands in the middle of its time
colors = [BOUGHT if rises else SOLD for rises in candles["close"] >= candles["open"]]
body = (candles["close"] - candles["open"]).abs()
prices.vlines(middle, candles["low"], candles["high"], color=colors, linewidth=1.1)
bottom = candles[["open", "close"]].min(axis=1)
prices.bar(middle, body, 0.64 * width / 1440, bottom, color=colors, edgecolor=colors, linewidth=0.8)
prices.plot(middle, candles["vwap"], color="#33415c", linewidth=0.9, alpha=0.7)
volumes.bar(middle, candles["bought"], 0.64 * width / 1440, color=BOUGHT)
volumes.bar(middle, -candles["sold"], 0.64 * width / 1440, color=SOLD)
volumes.axhline(0, color="#333333", linewidth=0.6)
for start, bar in candles[~candles["is_whole"]].iterrows():
    color = STATES["hole" if bar["missing"] else "cut"]
    for axis in (prices, volumes):
        axis.axvspan(start, start + width * MINUTE, color=color, alpha=0.25, linewidth=0, zorder=0)
    if bar["missing"]:
        top = prices.get_xaxis_transform()  # across in time, up in parts of the axis
        prices.text(start, 1.0, f" {bar['missing']:,} missing", transform=top, va="top", color="#a34e00")
prices.yaxis.set_major_formatter("{x:,.10g}")
prices.set_ylabel(f"price, {quote}")
volumes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.10g}")
volumes.set_ylabel(f"volume, {base}")
prices.legend(
    handles=[
        Patch(color=BOUGHT, label="rises; takers bought (up)"),
        Patch(color=SOLD, label="falls; takers sold (down)"),
        plt.Line2D([], [], color="#33415c", label="vwap"),
        Patch(color=STATES["hole"], alpha=0.35, label="trades missing"),
        Patch(color=STATES["cut"], alpha=0.35, label="cut"),
    ],
    **above,
)
figure.suptitle(f"{pair}  {venue} {market}, {feed}: candles of {width} min", x=0.01, ha="left", fontweight="bold")
finish(figure, volumes, candles.index.min(), candles.index.max() + width * MINUTE, "first_look_candles")

# %% [markdown]
# A hole, from both sides: the last trade before it and the first one after it.

# %%
dense = minutes.loc[minutes["is_complete"].notna(), NAMES].drop_duplicates()
display(
    lake.execute("""
        SELECT * FROM (
            SELECT venue, market, feed, pair, lag(trade_id) OVER ids AS before_id, trade_id AS after_id,
                   trade_id - before_id - 1 AS missing, lag(ts) OVER ids AS before_ts, ts AS after_ts
            FROM trades SEMI JOIN dense USING (venue, market, feed, pair)
            WINDOW ids AS (PARTITION BY venue, market, feed, pair ORDER BY trade_id))
        WHERE missing > 0 ORDER BY missing DESC LIMIT 10""").df()
)

# %% [markdown]
# ## Several venues side by side
#
# The volume-weighted price of each bar where one base currency is traded against dollars, and how far each venue is from the
# busiest one, in basis points. A tether is not a dollar, and a future is not the coin itself: part of the difference is meant.

# %%
DOLLARS = ["USD", "USDT", "USDC"]
in_dollars = series[series["pair"].str.split("-").str[1].isin(DOLLARS)].sort_values("trades", ascending=False)
in_dollars = in_dollars.assign(base=in_dollars["pair"].str.split("-").str[0]).drop_duplicates(["venue", "market", "pair"])
compared = in_dollars[in_dollars["base"] == in_dollars["base"].mode().iloc[0]]
lines = {f"{key[3]}  {key[0]} {key[1]}": bars(key)["vwap"] for key in compared[NAMES].itertuples(index=False, name=None)}
side_by_side = pd.DataFrame(lines)
difference = (side_by_side.div(side_by_side.iloc[:, 0], axis=0) - 1) * 10_000
display(difference.describe().loc[["mean", "min", "max"]].round(2))

# %%
figure, (prices, apart) = plt.subplots(2, 1, figsize=(12, 5.5), sharex=True, height_ratios=(2, 1.2))
for (name, line), color in zip(side_by_side.items(), ["#33415c", "#e76f00", "#1b8a7a", "#8e5ea2", "#c8435a"] * 9, strict=False):
    middle = line.index + width * MINUTE / 2
    style = {"color": color, "linewidth": 1.3, "marker": "o", "markersize": 2.5}
    prices.plot(middle, line, label=name, **style)
    apart.plot(middle, difference[name], **style)
prices.yaxis.set_major_formatter("{x:,.10g}")
prices.set_ylabel("vwap, dollars")
apart.set_ylabel("difference,\nbasis points")
prices.legend(**above)
figure.suptitle(f"{compared['base'].iloc[0]} on {len(lines)} markets", x=0.01, ha="left", fontweight="bold")
finish(figure, apart, side_by_side.index.min(), side_by_side.index.max() + width * MINUTE, "first_look_venues")

# %% [markdown]
# Here numbers became floats, for drawing. In the tables they are exact decimals: DuckDB computes with them as such until `.df()`.
