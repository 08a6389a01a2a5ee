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
GROUP BY venue, market, feed, pair, day
