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
FROM imported_minutes i
