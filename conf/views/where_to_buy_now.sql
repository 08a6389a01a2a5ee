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
ORDER BY base, place
