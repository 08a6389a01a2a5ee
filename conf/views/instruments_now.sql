-- What does each venue trade now? Of each symbol the newest row.
-- since: when our collector first received the list that says so.
SELECT venue, market, symbol, pair, base, quote, status, tick_size, lot_size, min_notional,
       CAST(listed_at AS TIMESTAMP) AS listed_at, CAST(recv_ts AS TIMESTAMP) AS since
FROM (
  SELECT i.*, row_number() OVER (PARTITION BY venue, market, symbol ORDER BY recv_ts DESC) AS place
  FROM instruments i
) newest
WHERE place = 1
