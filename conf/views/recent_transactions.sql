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
ORDER BY venue, market, pair, place
