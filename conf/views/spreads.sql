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
FROM imported_spreads
