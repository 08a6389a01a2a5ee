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
GROUP BY venue, market, feed, pair, width, start, year, month
