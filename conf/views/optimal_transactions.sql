-- What buying and selling each amount at once comes to now: the fills of the newest book of each market.
WITH newest AS (
  SELECT venue, market, pair, max(recv_ts) AS recv_ts
  FROM fills
  GROUP BY venue, market, pair
)
SELECT f.venue, f.market, f.pair, f.side, f.notional, f.average_price, f.worst_price, f.levels, f.cost, f.filled, f.slippage_pct,
       f.is_full, f.is_cut, f.state, CAST(f.recv_ts AS TIMESTAMP) AS recv_ts, f.year, f.month
FROM fills f
JOIN newest n ON n.venue = f.venue AND n.market = f.market AND n.pair = f.pair AND n.recv_ts = f.recv_ts
