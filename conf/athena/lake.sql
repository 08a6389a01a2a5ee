CREATE DATABASE IF NOT EXISTS `ticklake`;

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`trades_live`
LOCATION 's3://bucket/ticklake/tables/trades/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`minute_aggregates_live`
LOCATION 's3://bucket/ticklake/tables/minute_aggregates/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`quarantine`
LOCATION 's3://bucket/ticklake/tables/quarantine/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`order_books`
LOCATION 's3://bucket/ticklake/tables/order_books/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`klines_live`
LOCATION 's3://bucket/ticklake/tables/klines/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`collector_events`
LOCATION 's3://bucket/ticklake/tables/collector_events/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`instruments`
LOCATION 's3://bucket/ticklake/tables/instruments/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`bars`
LOCATION 's3://bucket/ticklake/tables/bars/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`fills`
LOCATION 's3://bucket/ticklake/tables/fills/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`gaps`
LOCATION 's3://bucket/ticklake/tables/gaps/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`loads`
LOCATION 's3://bucket/ticklake/tables/loads/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`published`
LOCATION 's3://bucket/ticklake/tables/published/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`quality_results`
LOCATION 's3://bucket/ticklake/tables/quality_results/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`reconciliation`
LOCATION 's3://bucket/ticklake/tables/reconciliation/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`rejects`
LOCATION 's3://bucket/ticklake/tables/rejects/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`trades_history` (
  `venue` string COMMENT 'The exchange, such as binance.',
  `market` string COMMENT 'The exchange\'s market: spot or usdm (USD-margined futures).',
  `feed` string COMMENT 'The series: trade or agg_trade (the exchange\'s aggregates); .2, .3 … after an id reset that a person confirmed.',
  `trade_id` bigint COMMENT 'The feed\'s own id: of the trade, or of the aggregate where feed is agg_trade.',
  `first_id` bigint COMMENT 'First of the exchange\'s trades in an aggregate; NULL for a single trade.',
  `last_id` bigint COMMENT 'Last of the exchange\'s trades in an aggregate; NULL for a single trade.',
  `price` decimal(20,10) COMMENT 'Price in the quote currency, as received.',
  `quantity` decimal(22,8) COMMENT 'Quantity of the base currency, as received.',
  `quote_quantity` decimal(38,18) COMMENT 'price * quantity, exact, always computed here.',
  `taker_side` string COMMENT 'buy or sell: what the taker did.',
  `ts` timestamp COMMENT 'The trade\'s own time, floored to the coarsest unit that any source of the feed offers.',
  `event_ts` timestamp COMMENT 'When the exchange sent it; NULL where it does not say.',
  `recv_ts` timestamp COMMENT 'When our collector received it; of an adopted tick, when the exchange sent it.',
  `source` string COMMENT 'How it reached us: ws, rest, dump or adopted.',
  `object` string COMMENT 'The landing object that holds it, relative to the lake.',
  `conn` string COMMENT 'The connection (or file) that brought it.',
  `seq` bigint COMMENT 'Number of the line on its connection and channel.',
  `item` int COMMENT 'Place in the line\'s array; 0 where there is none.'
)
COMMENT 'The published months of trades: what published names is to be believed, and nothing else that may lie there.'
PARTITIONED BY (
  `pair` string COMMENT 'The pair as BASE-QUOTE, such as BTC-USDT.',
  `year` int COMMENT 'Year of the time, UTC.',
  `month` int COMMENT 'Month of the time, UTC: 1, not 01.'
)
STORED AS PARQUET
LOCATION 's3://bucket/ticklake/history/trades/';

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`minute_aggregates_history` (
  `venue` string COMMENT 'The exchange, such as binance.',
  `market` string COMMENT 'The exchange\'s market: spot or usdm (USD-margined futures).',
  `feed` string COMMENT 'The series: trade or agg_trade (the exchange\'s aggregates); .2, .3 … after an id reset that a person confirmed.',
  `minute` timestamp COMMENT 'Start of the minute, UTC.',
  `open` decimal(20,10) COMMENT 'Price of the trade with the least id.',
  `high` decimal(20,10) COMMENT 'Highest price.',
  `low` decimal(20,10) COMMENT 'Lowest price.',
  `close` decimal(20,10) COMMENT 'Price of the trade with the greatest id.',
  `vwap` decimal(20,10) COMMENT 'quote_volume / volume, half up to ten decimals; NULL where it does not fit.',
  `volume` decimal(30,8) COMMENT 'Sum of quantity.',
  `quote_volume` decimal(38,18) COMMENT 'Sum of quote_quantity, exact.',
  `trades` bigint COMMENT 'The exchange\'s trades: those inside the aggregates where the market\'s ids tell, else rows.',
  `buy_trades` bigint COMMENT 'Trades in which the taker bought.',
  `buy_volume` decimal(30,8) COMMENT 'Quantity that takers bought.',
  `buy_quote_volume` decimal(38,18) COMMENT 'Quote amount of what takers bought.',
  `sell_trades` bigint COMMENT 'Trades in which the taker sold.',
  `sell_volume` decimal(30,8) COMMENT 'Quantity that takers sold.',
  `sell_quote_volume` decimal(38,18) COMMENT 'Quote amount of what takers sold.',
  `avg_buy_price` decimal(20,10) COMMENT 'buy_quote_volume / buy_volume, half up; NULL without buys or where it does not fit.',
  `avg_sell_price` decimal(20,10) COMMENT 'sell_quote_volume / sell_volume, half up; NULL without sells or where it does not fit.',
  `first_id` bigint COMMENT 'Least trade_id.',
  `last_id` bigint COMMENT 'Greatest trade_id.',
  `first_trade_id` bigint COMMENT 'First of the exchange\'s trades; NULL where an aggregate does not tell.',
  `last_trade_id` bigint COMMENT 'Last of the exchange\'s trades; NULL where an aggregate does not tell.',
  `first_ts` timestamp COMMENT 'Time of the earliest trade.',
  `last_ts` timestamp COMMENT 'Time of the latest trade.',
  `ticks` bigint COMMENT 'Rows of trades.',
  `missing_trades` bigint COMMENT 'Ids absent directly below its trades, down to the next one there is; NULL: not dense.',
  `is_complete` boolean COMMENT 'Is every id next to one of its trades seen? NULL where ids are not dense.',
  `revision` bigint COMMENT '0 while the feed has no later minute; grows with each committed change after that.',
  `updated_at` timestamp COMMENT 'When this row was written.'
)
COMMENT 'The published months of minute_aggregates: what published names is to be believed, and nothing else that may lie there.'
PARTITIONED BY (
  `pair` string COMMENT 'The pair as BASE-QUOTE, such as BTC-USDT.',
  `year` int COMMENT 'Year of the time, UTC.',
  `month` int COMMENT 'Month of the time, UTC: 1, not 01.'
)
STORED AS PARQUET
LOCATION 's3://bucket/ticklake/history/minute_aggregates/';

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`klines_history` (
  `venue` string COMMENT 'The exchange, such as binance.',
  `market` string COMMENT 'The exchange\'s market: spot or usdm (USD-margined futures).',
  `width` string COMMENT 'How long it is, as the exchange says it: 1m, 1h, 1d …',
  `open_time` timestamp COMMENT 'Its start.',
  `open` decimal(20,10) COMMENT 'Price of its first trade.',
  `high` decimal(20,10) COMMENT 'Highest price.',
  `low` decimal(20,10) COMMENT 'Lowest price.',
  `close` decimal(20,10) COMMENT 'Price of its last trade.',
  `volume` decimal(30,8) COMMENT 'Sum of the quantities.',
  `close_time` timestamp COMMENT 'Its last moment, as the exchange says it.',
  `quote_volume` decimal(38,18) COMMENT 'Sum of the quote amounts.',
  `trades` bigint COMMENT 'How many trades.',
  `taker_buy_volume` decimal(30,8) COMMENT 'Quantity that takers bought.',
  `taker_buy_quote_volume` decimal(38,18) COMMENT 'Quote amount of what takers bought.',
  `first_id` bigint COMMENT 'Id of its first trade; NULL: the source does not tell, or there is none.',
  `last_id` bigint COMMENT 'Id of its last trade; NULL: the source does not tell, or there is none.',
  `recv_ts` timestamp COMMENT 'When our collector received it.',
  `source` string COMMENT 'ws: the venue sent it; rest: it was asked for; adopted: a file of another collector.',
  `object` string COMMENT 'The landing object that holds it, relative to the lake.',
  `conn` string COMMENT 'The connection that brought it.',
  `seq` bigint COMMENT 'Number of the line on its connection and channel.',
  `item` int COMMENT 'Place in the line\'s array; 0 where there is none.'
)
COMMENT 'The published months of klines: what published names is to be believed, and nothing else that may lie there.'
PARTITIONED BY (
  `pair` string COMMENT 'The pair as BASE-QUOTE, such as BTC-USDT.',
  `year` int COMMENT 'Year of the time, UTC.',
  `month` int COMMENT 'Month of the time, UTC: 1, not 01.'
)
STORED AS PARQUET
LOCATION 's3://bucket/ticklake/history/klines/';

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`imported_minutes` (
  `venue` string COMMENT 'The exchange, such as binance.',
  `market` string COMMENT 'The exchange\'s market: spot or usdm (USD-margined futures).',
  `feed` string COMMENT 'imported: which of the exchange\'s series that system read it does not say.',
  `minute` timestamp COMMENT 'The minute in which the ticks arrived, UTC.',
  `buy_trades` bigint COMMENT 'Trades in which the taker bought: total_count_s of the file.',
  `buy_volume` decimal(38,18) COMMENT 'Quantity that takers bought: total_btc_s, as that system told it, with all its decimals.',
  `buy_quote_volume` decimal(38,18) COMMENT 'Quote amount of that: total_usd_s, as that system told it, with all its decimals.',
  `avg_buy_price` decimal(38,18) COMMENT 'Average price of that: avg_s, as that system told it, with all its decimals; NULL without buys.',
  `sell_trades` bigint COMMENT 'Trades in which the taker sold: total_count_b of the file.',
  `sell_volume` decimal(38,18) COMMENT 'Quantity that takers sold: total_btc_b, as that system told it, with all its decimals.',
  `sell_quote_volume` decimal(38,18) COMMENT 'Quote amount of that: total_usd_b, as that system told it, with all its decimals.',
  `avg_sell_price` decimal(38,18) COMMENT 'Average price of that: avg_b, as that system told it, with all its decimals; NULL without sells.',
  `object` string COMMENT 'The file, relative to the lake.',
  `line` bigint COMMENT 'Its line; the first one is 1.'
)
COMMENT 'The published months of imported_minutes: what published names is to be believed, and nothing else that may lie there.'
PARTITIONED BY (
  `pair` string COMMENT 'The pair as BASE-QUOTE, such as BTC-USDT.',
  `year` int COMMENT 'Year of the time, UTC.',
  `month` int COMMENT 'Month of the time, UTC: 1, not 01.'
)
STORED AS PARQUET
LOCATION 's3://bucket/ticklake/history/imported_minutes/';

CREATE EXTERNAL TABLE IF NOT EXISTS `ticklake`.`imported_spreads` (
  `venue` string COMMENT 'The exchange, such as binance.',
  `market` string COMMENT 'The exchange\'s market: spot or usdm (USD-margined futures).',
  `ts` timestamp COMMENT 'When that system asked for the book, in whole seconds.',
  `bid` decimal(20,10) COMMENT 'The highest price bid.',
  `ask` decimal(20,10) COMMENT 'The lowest price asked.',
  `spread_pct` decimal(12,6) COMMENT '(ask - bid) * 100 / ask, half up: of the exact prices, as in order_books, where the file has a float.',
  `object` string COMMENT 'The file, relative to the lake.',
  `line` bigint COMMENT 'Its line; the first one is 1.'
)
COMMENT 'The published months of imported_spreads: what published names is to be believed, and nothing else that may lie there.'
PARTITIONED BY (
  `pair` string COMMENT 'The pair as BASE-QUOTE, such as BTC-USDT.',
  `year` int COMMENT 'Year of the time, UTC.',
  `month` int COMMENT 'Month of the time, UTC: 1, not 01.'
)
STORED AS PARQUET
LOCATION 's3://bucket/ticklake/history/imported_spreads/';

CREATE OR REPLACE VIEW "ticklake"."trades" AS
SELECT "venue", "market", "feed", "pair", "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side", CAST("ts" AS TIMESTAMP) AS "ts", CAST("event_ts" AS TIMESTAMP) AS "event_ts", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM "trades_live"
WHERE TRUE
UNION ALL
SELECT "venue", "market", "feed", "pair", "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side", CAST("ts" AS TIMESTAMP) AS "ts", CAST("event_ts" AS TIMESTAMP) AS "event_ts", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM "trades_history"
WHERE FALSE;

CREATE OR REPLACE VIEW "ticklake"."minute_aggregates" AS
SELECT "venue", "market", "feed", "pair", CAST("minute" AS TIMESTAMP) AS "minute", "open", "high", "low", "close", "vwap", "volume", "quote_volume", "trades", "buy_trades", "buy_volume", "buy_quote_volume", "sell_trades", "sell_volume", "sell_quote_volume", "avg_buy_price", "avg_sell_price", "first_id", "last_id", "first_trade_id", "last_trade_id", CAST("first_ts" AS TIMESTAMP) AS "first_ts", CAST("last_ts" AS TIMESTAMP) AS "last_ts", "ticks", "missing_trades", "is_complete", "revision", CAST("updated_at" AS TIMESTAMP) AS "updated_at", "year", "month"
FROM "minute_aggregates_live"
WHERE TRUE
UNION ALL
SELECT "venue", "market", "feed", "pair", CAST("minute" AS TIMESTAMP) AS "minute", "open", "high", "low", "close", "vwap", "volume", "quote_volume", "trades", "buy_trades", "buy_volume", "buy_quote_volume", "sell_trades", "sell_volume", "sell_quote_volume", "avg_buy_price", "avg_sell_price", "first_id", "last_id", "first_trade_id", "last_trade_id", CAST("first_ts" AS TIMESTAMP) AS "first_ts", CAST("last_ts" AS TIMESTAMP) AS "last_ts", "ticks", "missing_trades", "is_complete", "revision", CAST("updated_at" AS TIMESTAMP) AS "updated_at", "year", "month"
FROM "minute_aggregates_history"
WHERE FALSE;

CREATE OR REPLACE VIEW "ticklake"."klines" AS
SELECT "venue", "market", "pair", "width", CAST("open_time" AS TIMESTAMP) AS "open_time", "open", "high", "low", "close", "volume", CAST("close_time" AS TIMESTAMP) AS "close_time", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "first_id", "last_id", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM "klines_live"
WHERE TRUE
UNION ALL
SELECT "venue", "market", "pair", "width", CAST("open_time" AS TIMESTAMP) AS "open_time", "open", "high", "low", "close", "volume", CAST("close_time" AS TIMESTAMP) AS "close_time", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "first_id", "last_id", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM "klines_history"
WHERE FALSE;

CREATE OR REPLACE VIEW "ticklake"."instruments_now" AS
-- What does each venue trade now? Of each symbol the newest row.
-- since: when our collector first received the list that says so.
SELECT venue, market, symbol, pair, base, quote, status, tick_size, lot_size, min_notional,
       CAST(listed_at AS TIMESTAMP) AS listed_at, CAST(recv_ts AS TIMESTAMP) AS since
FROM (
  SELECT i.*, row_number() OVER (PARTITION BY venue, market, symbol ORDER BY recv_ts DESC) AS place
  FROM instruments i
) newest
WHERE place = 1;

CREATE OR REPLACE VIEW "ticklake"."optimal_transactions" AS
-- What buying and selling each amount at once comes to now: the fills of the newest book of each market.
WITH newest AS (
  SELECT venue, market, pair, max(recv_ts) AS recv_ts
  FROM fills
  GROUP BY venue, market, pair
)
SELECT f.venue, f.market, f.pair, f.side, f.notional, f.average_price, f.worst_price, f.levels, f.cost, f.filled, f.slippage_pct,
       f.is_full, f.is_cut, f.state, CAST(f.recv_ts AS TIMESTAMP) AS recv_ts, f.year, f.month
FROM fills f
JOIN newest n ON n.venue = f.venue AND n.market = f.market AND n.pair = f.pair AND n.recv_ts = f.recv_ts;

CREATE OR REPLACE VIEW "ticklake"."spreads" AS
-- Best bid, best ask and spread of every order book, in the columns of an older system. A book that lacks a side has no spread; of a
-- crossed one it is below 0: state says so. Rows that adopt took in from that system are source imported.
-- timestamp: when our collector received it, or the other system asked; bid, ask: the best prices; spread: (ask - bid) * 100 / ask, in
-- percent.
SELECT CAST(recv_ts AS TIMESTAMP) AS timestamp, pair, best_bid AS bid, best_ask AS ask, spread_pct AS spread,
       venue, market, state, source, year, month
FROM order_books
UNION ALL
SELECT CAST(ts AS TIMESTAMP) AS timestamp, pair, bid, ask, spread_pct AS spread, venue, market,
       CASE WHEN bid >= ask THEN 'crossed' ELSE 'ok' END AS state, 'imported' AS source, year, month
FROM imported_spreads;

CREATE OR REPLACE VIEW "ticklake"."where_to_buy_now" AS
-- Where to buy for $50,000 now: of each base currency the cheapest average price first, then those that cannot fill all of it.
-- The amount is the least one of the configuration that is 50000 or more, else the greatest. Pairs that are quoted in dollars or in coins
-- that stand for one are compared, one for one; others are not here. Of each market its newest book, if it was received within the hour
-- before the newest of all of these.
-- base: what is traded; place: 1 the best of its base.
WITH newest AS (
  SELECT venue, market, pair, split_part(pair, '-', 1) AS base, max(recv_ts) AS recv_ts
  FROM fills
  WHERE split_part(pair, '-', 2) IN ('USD', 'USDT', 'USDC', 'FDUSD', 'TUSD', 'PYUSD', 'DAI')
  GROUP BY venue, market, pair, split_part(pair, '-', 1)
),
sized AS (
  SELECT f.*, n.base,
         row_number() OVER (
           PARTITION BY f.venue, f.market, f.pair
           ORDER BY CASE WHEN f.notional >= 50000 THEN 0 ELSE 1 END, CASE WHEN f.notional >= 50000 THEN f.notional ELSE -f.notional END
         ) AS choice
  FROM fills f
  JOIN newest n ON n.venue = f.venue AND n.market = f.market AND n.pair = f.pair AND n.recv_ts = f.recv_ts
  WHERE f.side = 'buy' AND n.recv_ts >= (SELECT max(recv_ts) FROM newest) - INTERVAL '1' HOUR
)
SELECT base,
       CAST(row_number() OVER (
         PARTITION BY base ORDER BY CASE WHEN is_full THEN 0 ELSE 1 END, average_price ASC NULLS LAST, venue, market, pair
       ) AS INT) AS place,
       venue, market, pair, notional, average_price, worst_price, levels, cost, filled, slippage_pct, is_full, is_cut, state,
       CAST(recv_ts AS TIMESTAMP) AS recv_ts
FROM sized
WHERE choice = 1
ORDER BY base, place;

CREATE OR REPLACE VIEW "ticklake"."where_to_sell_now" AS
-- Where to sell for $50,000 now: of each base currency the dearest average price first, then those that cannot fill all of it.
-- The amount is the least one of the configuration that is 50000 or more, else the greatest. Pairs that are quoted in dollars or in coins
-- that stand for one are compared, one for one; others are not here. Of each market its newest book, if it was received within the hour
-- before the newest of all of these.
-- base: what is traded; place: 1 the best of its base.
WITH newest AS (
  SELECT venue, market, pair, split_part(pair, '-', 1) AS base, max(recv_ts) AS recv_ts
  FROM fills
  WHERE split_part(pair, '-', 2) IN ('USD', 'USDT', 'USDC', 'FDUSD', 'TUSD', 'PYUSD', 'DAI')
  GROUP BY venue, market, pair, split_part(pair, '-', 1)
),
sized AS (
  SELECT f.*, n.base,
         row_number() OVER (
           PARTITION BY f.venue, f.market, f.pair
           ORDER BY CASE WHEN f.notional >= 50000 THEN 0 ELSE 1 END, CASE WHEN f.notional >= 50000 THEN f.notional ELSE -f.notional END
         ) AS choice
  FROM fills f
  JOIN newest n ON n.venue = f.venue AND n.market = f.market AND n.pair = f.pair AND n.recv_ts = f.recv_ts
  WHERE f.side = 'sell' AND n.recv_ts >= (SELECT max(recv_ts) FROM newest) - INTERVAL '1' HOUR
)
SELECT base,
       CAST(row_number() OVER (
         PARTITION BY base ORDER BY CASE WHEN is_full THEN 0 ELSE 1 END, average_price DESC NULLS LAST, venue, market, pair
       ) AS INT) AS place,
       venue, market, pair, notional, average_price, worst_price, levels, cost, filled, slippage_pct, is_full, is_cut, state,
       CAST(recv_ts AS TIMESTAMP) AS recv_ts
FROM sized
WHERE choice = 1
ORDER BY base, place;

CREATE OR REPLACE VIEW "ticklake"."candles" AS
-- Candles of many widths, put together from the minutes: 1m to 1d, by UTC's day. A question names the width, else it gets all of them. One
-- series a market and month, as in minute_rows; the candle in which an id reset lies may have a row of each feed. The table bars has
-- widths of one's own choice, and says of each whether it is proved to be complete.
-- width: 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h or 1d; minutes: how many of it have a row; complete: how many of these are complete;
-- missing_trades: their sum, NULL where ids are not dense; volume, quote_volume: NULL where that of a minute is.
WITH widths AS (
  SELECT '1m' AS width, 1 AS length UNION ALL SELECT '3m', 3 UNION ALL SELECT '5m', 5 UNION ALL SELECT '15m', 15
  UNION ALL SELECT '30m', 30 UNION ALL SELECT '1h', 60 UNION ALL SELECT '2h', 120 UNION ALL SELECT '4h', 240
  UNION ALL SELECT '6h', 360 UNION ALL SELECT '8h', 480 UNION ALL SELECT '12h', 720 UNION ALL SELECT '1d', 1440
),
kinds AS (
  SELECT venue, market, pair, year, month, split_part(feed, '.', 1) AS kind,
         sum(CASE WHEN is_complete THEN 1 ELSE 0 END) AS complete, count(*) AS minutes, coalesce(sum(missing_trades), 0) AS missing
  FROM minute_aggregates
  GROUP BY venue, market, pair, year, month, split_part(feed, '.', 1)
),
ranked AS (
  SELECT venue, market, pair, year, month, kind,
         row_number() OVER (
           PARTITION BY venue, market, pair, year, month
           ORDER BY complete DESC, minutes DESC, missing, CASE WHEN kind = 'trade' THEN 0 ELSE 1 END, kind
         ) AS place
  FROM kinds
),
placed AS (
  SELECT m.*, w.width,
         m.minute - (60 * EXTRACT(HOUR FROM m.minute) + EXTRACT(MINUTE FROM m.minute)) % w.length * INTERVAL '1' MINUTE AS start
  FROM minute_aggregates m
  JOIN ranked r
    ON r.venue = m.venue AND r.market = m.market AND r.pair = m.pair AND r.year = m.year AND r.month = m.month
   AND r.kind = split_part(m.feed, '.', 1)
  CROSS JOIN widths w
  WHERE r.place = 1
)
SELECT venue, market, feed, pair, width, start,
       min_by(open, minute) AS open, max(high) AS high, min(low) AS low, max_by(close, minute) AS close,
       CAST(CASE WHEN count(volume) = count(*) THEN sum(volume) END AS DECIMAL(30,8)) AS volume,
       CAST(CASE WHEN count(quote_volume) = count(*) THEN sum(quote_volume) END AS DECIMAL(38,18)) AS quote_volume,
       CAST(sum(trades) AS BIGINT) AS trades, CAST(count(*) AS BIGINT) AS minutes,
       CAST(sum(CASE WHEN is_complete THEN 1 ELSE 0 END) AS BIGINT) AS complete,
       CAST(sum(missing_trades) AS BIGINT) AS missing_trades, year, month
FROM placed
GROUP BY venue, market, feed, pair, width, start, year, month;

CREATE OR REPLACE VIEW "ticklake"."coverage_by_day" AS
-- How much of each day is known, a series: its minutes that are complete, those that are not, those known to be empty (as in
-- minute_coverage), and the rest. Every feed is a series of its own. Each day from the first to the last with a row is here, also one of
-- which nothing is known. Days are UTC's.
-- day: its date; complete, incomplete, empty: minutes; unknown: the rest of the day's 1440, also before the first row and after the newest,
-- and rows of a feed whose ids are not dense; missing_trades: their sum, counted where the hole ends; NULL where nothing of the day can
-- tell.
WITH digits AS (
  SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
),
numbers AS (
  SELECT 10 * a.i + b.i AS i FROM digits a CROSS JOIN digits b
),
followed AS (
  SELECT venue, market, feed, pair, minute, last_id, is_complete,
         lead(minute) OVER (PARTITION BY venue, market, feed, pair ORDER BY minute) AS next_minute,
         lead(first_id) OVER (PARTITION BY venue, market, feed, pair ORDER BY minute) AS next_id
  FROM minute_aggregates
),
gaps AS (
  SELECT venue, market, feed, pair, minute, next_minute
  FROM followed
  WHERE is_complete IS NOT NULL AND next_id = last_id + 1 AND next_minute > minute + INTERVAL '1' MINUTE
),
known AS (
  SELECT venue, market, feed, pair, CAST(minute AS DATE) AS day,
         CASE WHEN is_complete THEN 1 ELSE 0 END AS complete, CASE WHEN NOT is_complete THEN 1 ELSE 0 END AS incomplete,
         0 AS empty, missing_trades
  FROM minute_aggregates
  UNION ALL
  SELECT g.venue, g.market, g.feed, g.pair,
         CAST(g.minute + a.i * INTERVAL '10000' MINUTE + b.i * INTERVAL '100' MINUTE + c.i * INTERVAL '1' MINUTE AS DATE) AS day,
         0 AS complete, 0 AS incomplete, 1 AS empty, CAST(0 AS BIGINT) AS missing_trades
  FROM gaps g
  JOIN numbers a ON g.minute + a.i * INTERVAL '10000' MINUTE < g.next_minute
  JOIN numbers b ON g.minute + a.i * INTERVAL '10000' MINUTE + b.i * INTERVAL '100' MINUTE < g.next_minute
  JOIN numbers c
    ON g.minute + a.i * INTERVAL '10000' MINUTE + b.i * INTERVAL '100' MINUTE + c.i * INTERVAL '1' MINUTE < g.next_minute
   AND a.i + b.i + c.i > 0
  UNION ALL
  SELECT f.venue, f.market, f.feed, f.pair, CAST(f.minute + a.i * INTERVAL '100' DAY + b.i * INTERVAL '1' DAY AS DATE) AS day,
         0 AS complete, 0 AS incomplete, 0 AS empty, CAST(NULL AS BIGINT) AS missing_trades
  FROM followed f
  JOIN numbers a ON f.minute + a.i * INTERVAL '100' DAY < f.next_minute
  JOIN numbers b ON f.minute + a.i * INTERVAL '100' DAY + b.i * INTERVAL '1' DAY < f.next_minute
  WHERE CAST(f.next_minute AS DATE) > CAST(f.minute AS DATE)
)
SELECT venue, market, feed, pair, day,
       CAST(sum(complete) AS BIGINT) AS complete, CAST(sum(incomplete) AS BIGINT) AS incomplete, CAST(sum(empty) AS BIGINT) AS empty,
       CAST(1440 - sum(complete) - sum(incomplete) - sum(empty) AS BIGINT) AS unknown,
       CAST(sum(missing_trades) AS BIGINT) AS missing_trades
FROM known
GROUP BY venue, market, feed, pair, day;

CREATE OR REPLACE VIEW "ticklake"."minute_coverage" AS
-- Which minutes of each series are known: those that have a row, and those known to be empty, because the ids of the rows around them
-- join: the next row begins with the id after the last one's greatest. Every feed is a series of its own. A minute that is not here may
-- have had trades; where ids are not dense none is known to be empty. Of a million empty minutes on end the rest is not here.
-- known: complete, incomplete, unknown (a row of a feed whose ids are not dense), or empty; missing_trades: as in the row, 0 where empty.
WITH digits AS (
  SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
  UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
),
numbers AS (
  SELECT 10 * a.i + b.i AS i FROM digits a CROSS JOIN digits b
),
followed AS (
  SELECT venue, market, feed, pair, minute, last_id, is_complete,
         lead(minute) OVER (PARTITION BY venue, market, feed, pair ORDER BY minute) AS next_minute,
         lead(first_id) OVER (PARTITION BY venue, market, feed, pair ORDER BY minute) AS next_id
  FROM minute_aggregates
),
gaps AS (
  SELECT venue, market, feed, pair, minute, next_minute
  FROM followed
  WHERE is_complete IS NOT NULL AND next_id = last_id + 1 AND next_minute > minute + INTERVAL '1' MINUTE
),
empty AS (
  SELECT g.venue, g.market, g.feed, g.pair,
         g.minute + a.i * INTERVAL '10000' MINUTE + b.i * INTERVAL '100' MINUTE + c.i * INTERVAL '1' MINUTE AS minute
  FROM gaps g
  JOIN numbers a ON g.minute + a.i * INTERVAL '10000' MINUTE < g.next_minute
  JOIN numbers b ON g.minute + a.i * INTERVAL '10000' MINUTE + b.i * INTERVAL '100' MINUTE < g.next_minute
  JOIN numbers c
    ON g.minute + a.i * INTERVAL '10000' MINUTE + b.i * INTERVAL '100' MINUTE + c.i * INTERVAL '1' MINUTE < g.next_minute
   AND a.i + b.i + c.i > 0
)
SELECT venue, market, feed, pair, minute,
       CASE WHEN is_complete THEN 'complete' WHEN NOT is_complete THEN 'incomplete' ELSE 'unknown' END AS known, missing_trades
FROM minute_aggregates
UNION ALL
SELECT venue, market, feed, pair, minute, 'empty' AS known, CAST(0 AS BIGINT) AS missing_trades
FROM empty;

CREATE OR REPLACE VIEW "ticklake"."minute_rows" AS
-- What takers bought and sold, minute by minute, in the columns of an older system: b bought, s sold. One series a market and month.
-- Of several feeds of a pair that one of the month which has more complete minutes, then more minutes, then fewer missing trades, then
-- trade before the others. After an id reset that a person confirmed, trade and trade.2 are one series here; the minute it lies in may
-- have a row of each. Minutes that adopt took in from that system (feed imported) are shown where we have none of that minute; quantities
-- are rounded to 8 decimals, prices to 10.
-- timestamp: start of the minute, UTC; total_count_b, total_count_s: the exchange's trades; total_btc_b, total_btc_s: base quantity;
-- total_usd_b, total_usd_s: quote amount; avg_b, avg_s: average price; NULL where there is none.
WITH kinds AS (
  SELECT venue, market, pair, year, month, split_part(feed, '.', 1) AS kind,
         sum(CASE WHEN is_complete THEN 1 ELSE 0 END) AS complete, count(*) AS minutes, coalesce(sum(missing_trades), 0) AS missing
  FROM minute_aggregates
  GROUP BY venue, market, pair, year, month, split_part(feed, '.', 1)
),
ranked AS (
  SELECT venue, market, pair, year, month, kind,
         row_number() OVER (
           PARTITION BY venue, market, pair, year, month
           ORDER BY complete DESC, minutes DESC, missing, CASE WHEN kind = 'trade' THEN 0 ELSE 1 END, kind
         ) AS place
  FROM kinds
)
SELECT m.minute AS timestamp,
       m.buy_trades AS total_count_b, m.sell_trades AS total_count_s,
       m.buy_volume AS total_btc_b, m.sell_volume AS total_btc_s,
       m.buy_quote_volume AS total_usd_b, m.sell_quote_volume AS total_usd_s,
       m.avg_buy_price AS avg_b, m.avg_sell_price AS avg_s,
       m.venue, m.market, m.feed, m.pair, m.year, m.month
FROM minute_aggregates m
JOIN ranked r
  ON r.venue = m.venue AND r.market = m.market AND r.pair = m.pair AND r.year = m.year AND r.month = m.month
 AND r.kind = split_part(m.feed, '.', 1)
WHERE r.place = 1
UNION ALL
SELECT i.minute AS timestamp,
       i.buy_trades AS total_count_b, i.sell_trades AS total_count_s,
       CAST(i.buy_volume AS DECIMAL(30,8)) AS total_btc_b, CAST(i.sell_volume AS DECIMAL(30,8)) AS total_btc_s,
       i.buy_quote_volume AS total_usd_b, i.sell_quote_volume AS total_usd_s,
       CAST(i.avg_buy_price AS DECIMAL(20,10)) AS avg_b, CAST(i.avg_sell_price AS DECIMAL(20,10)) AS avg_s,
       i.venue, i.market, i.feed, i.pair, i.year, i.month
FROM imported_minutes i
LEFT JOIN minute_aggregates o
  ON o.venue = i.venue AND o.market = i.market AND o.pair = i.pair AND o.year = i.year AND o.month = i.month AND o.minute = i.minute
WHERE o.minute IS NULL;

CREATE OR REPLACE VIEW "ticklake"."minute_rows_all" AS
-- What takers bought and sold, minute by minute, in the columns of an older system: b bought, s sold. Every feed: two of one pair tell
-- the same trades, so a question names one. Minutes that adopt took in from that system are feed imported, all of them; quantities are
-- rounded to 8 decimals, prices to 10.
-- timestamp: start of the minute, UTC; total_count_b, total_count_s: the exchange's trades; total_btc_b, total_btc_s: base quantity;
-- total_usd_b, total_usd_s: quote amount; avg_b, avg_s: average price; NULL where there is none.
SELECT minute AS timestamp,
       buy_trades AS total_count_b, sell_trades AS total_count_s,
       buy_volume AS total_btc_b, sell_volume AS total_btc_s,
       buy_quote_volume AS total_usd_b, sell_quote_volume AS total_usd_s,
       avg_buy_price AS avg_b, avg_sell_price AS avg_s,
       venue, market, feed, pair, year, month
FROM minute_aggregates
UNION ALL
SELECT i.minute AS timestamp,
       i.buy_trades AS total_count_b, i.sell_trades AS total_count_s,
       CAST(i.buy_volume AS DECIMAL(30,8)) AS total_btc_b, CAST(i.sell_volume AS DECIMAL(30,8)) AS total_btc_s,
       i.buy_quote_volume AS total_usd_b, i.sell_quote_volume AS total_usd_s,
       CAST(i.avg_buy_price AS DECIMAL(20,10)) AS avg_b, CAST(i.avg_sell_price AS DECIMAL(20,10)) AS avg_s,
       i.venue, i.market, i.feed, i.pair, i.year, i.month
FROM imported_minutes i;

CREATE OR REPLACE VIEW "ticklake"."recent_transactions" AS
-- The newest trades of each market: those of the last hour before its newest one, the newest first. One series a market: of several feeds
-- the one that tells more of the exchange's trades of that hour, trade on a tie.
-- place: 1 the newest of its market.
WITH newest AS (
  SELECT venue, market, pair, max(ts) AS ts
  FROM trades
  GROUP BY venue, market, pair
),
near AS (
  SELECT t.*, split_part(t.feed, '.', 1) AS kind
  FROM trades t
  JOIN newest n ON n.venue = t.venue AND n.market = t.market AND n.pair = t.pair
  WHERE t.ts > n.ts - INTERVAL '1' HOUR
),
kinds AS (
  SELECT venue, market, pair, kind, sum(CASE WHEN last_id IS NULL THEN 1 ELSE last_id - first_id + 1 END) AS told
  FROM near
  GROUP BY venue, market, pair, kind
),
ranked AS (
  SELECT venue, market, pair, kind,
         row_number() OVER (
           PARTITION BY venue, market, pair ORDER BY told DESC, CASE WHEN kind = 'trade' THEN 0 ELSE 1 END, kind
         ) AS place
  FROM kinds
)
SELECT a.venue, a.market, a.pair,
       CAST(row_number() OVER (PARTITION BY a.venue, a.market, a.pair ORDER BY a.ts DESC, a.trade_id DESC) AS INT) AS place,
       a.ts, a.taker_side, a.price, a.quantity, a.quote_quantity, a.feed, a.trade_id
FROM near a
JOIN ranked r ON r.venue = a.venue AND r.market = a.market AND r.pair = a.pair AND r.kind = a.kind
WHERE r.place = 1
ORDER BY venue, market, pair, place;
