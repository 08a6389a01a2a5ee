-- The stream's work in DuckDB: the same lines, columns, types, rows and order of rows. $landing: the landing objects.
CREATE OR REPLACE MACRO unscaled(number) AS replace(number::VARCHAR, '.', '')::HUGEINT;
-- DECIMAL(38, 18) / DECIMAL(30, 8), half up to ten decimals; DuckDB's own division gives a float
CREATE OR REPLACE MACRO quotient(amount, quantity) AS (
    ((2 * unscaled(amount) + unscaled(quantity)) // (2 * unscaled(nullif(quantity, 0))))::DECIMAL(20, 0) * 0.0000000001::DECIMAL(11, 10)
)::DECIMAL(20, 10);

CREATE OR REPLACE TABLE trades AS
WITH lines AS (
    FROM read_json(
        '$landing', format = 'newline_delimited', compression = 'gzip', filename = true,
        columns = {
            v: 'INTEGER', venue: 'VARCHAR', market: 'VARCHAR', kind: 'VARCHAR', pair: 'VARCHAR', source: 'VARCHAR',
            conn: 'VARCHAR', seq: 'BIGINT', recv_ns: 'BIGINT',
            raw: 'STRUCT(data STRUCT(E BIGINT, a BIGINT, p VARCHAR, q VARCHAR, f BIGINT, l BIGINT, T BIGINT, m BOOLEAN))'
        }
    )
),
typed AS (
    SELECT
        venue, market, kind AS feed, pair,
        raw.data.a AS trade_id, raw.data.f AS first_id, raw.data.l AS last_id,
        raw.data.p::DECIMAL(20, 10) AS price, raw.data.q::DECIMAL(22, 8) AS quantity,
        CASE WHEN raw.data.m THEN 'sell' ELSE 'buy' END AS taker_side,
        make_timestamp(raw.data.T * 1000) AS ts,
        make_timestamp(raw.data.E * 1000) AS event_ts,
        make_timestamp(recv_ns // 1000) AS recv_ts,
        source, substr(filename, instr(filename, 'big/landing/')) AS object, conn, seq, 0::INTEGER AS item
    FROM lines
)
SELECT *, (price * quantity)::DECIMAL(38, 18) AS quote_quantity
FROM typed
-- the first copy of each key, found as the stream finds it: by its neighbour in the order of ids
QUALIFY lag(trade_id) OVER (PARTITION BY venue, market, feed, pair ORDER BY trade_id, recv_ts, conn, seq) IS DISTINCT FROM trade_id;

CREATE OR REPLACE TABLE minutes AS
WITH summed AS (
    SELECT
        venue, market, feed, pair, time_bucket(INTERVAL 1 MINUTE, ts) AS minute,
        arg_min(price, trade_id) AS open, max(price) AS high, min(price) AS low, arg_max(price, trade_id) AS "close",
        sum(quantity)::DECIMAL(30, 8) AS volume, sum(quote_quantity)::DECIMAL(38, 18) AS quote_volume,
        sum(last_id - first_id + 1)::BIGINT AS trades,
        coalesce(sum(last_id - first_id + 1) FILTER (taker_side = 'buy'), 0)::BIGINT AS buy_trades,
        coalesce(sum(quantity) FILTER (taker_side = 'buy'), 0)::DECIMAL(30, 8) AS buy_volume,
        coalesce(sum(quote_quantity) FILTER (taker_side = 'buy'), 0)::DECIMAL(38, 18) AS buy_quote_volume,
        min(trade_id) AS first_id, max(trade_id) AS last_id,
        min(first_id) AS first_trade_id, max(last_id) AS last_trade_id,
        min(ts) AS first_ts, max(ts) AS last_ts, count(*) AS ticks
    FROM trades GROUP BY ALL
),
split AS (
    SELECT *, trades - buy_trades AS sell_trades, (volume - buy_volume)::DECIMAL(30, 8) AS sell_volume,
        (quote_volume - buy_quote_volume)::DECIMAL(38, 18) AS sell_quote_volume
    FROM summed
)
SELECT
    venue, market, feed, pair, minute, open, high, low, "close", quotient(quote_volume, volume) AS vwap, volume, quote_volume,
    trades, buy_trades, buy_volume, buy_quote_volume, sell_trades, sell_volume, sell_quote_volume,
    quotient(buy_quote_volume, buy_volume) AS avg_buy_price, quotient(sell_quote_volume, sell_volume) AS avg_sell_price,
    first_id, last_id, first_trade_id, last_trade_id, first_ts, last_ts, ticks
FROM split;
