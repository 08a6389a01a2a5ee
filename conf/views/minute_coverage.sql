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
FROM empty
