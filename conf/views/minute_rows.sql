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
WHERE o.minute IS NULL
