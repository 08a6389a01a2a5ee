-- Best bid, best ask and spread of every order book, in the columns of an older system. A book that lacks a side has no spread; of a
-- crossed one it is below 0: state says so.
-- timestamp: when our collector received it; bid, ask: the best prices; spread: (ask - bid) * 100 / ask, in percent.
SELECT CAST(recv_ts AS TIMESTAMP) AS timestamp, pair, best_bid AS bid, best_ask AS ask, spread_pct AS spread,
       venue, market, state, year, month
FROM order_books
