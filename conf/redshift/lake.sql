CREATE EXTERNAL SCHEMA IF NOT EXISTS ticklake_lake
FROM DATA CATALOG DATABASE 'ticklake'
IAM_ROLE default;

CREATE SCHEMA IF NOT EXISTS ticklake;

CREATE TABLE IF NOT EXISTS ticklake."trades_live" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "feed" VARCHAR(256),
  "pair" VARCHAR(256),
  "trade_id" BIGINT,
  "first_id" BIGINT,
  "last_id" BIGINT,
  "price" DECIMAL(20,10),
  "quantity" DECIMAL(22,8),
  "quote_quantity" DECIMAL(38,18),
  "taker_side" VARCHAR(65535),
  "ts" TIMESTAMP,
  "event_ts" TIMESTAMP,
  "recv_ts" TIMESTAMP,
  "source" VARCHAR(65535),
  "object" VARCHAR(65535),
  "conn" VARCHAR(65535),
  "seq" BIGINT,
  "item" INTEGER,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."trades_live" IS 'Every trade that reached us, once. The first committed copy wins; one that differs is in quarantine as conflict.';

COMMENT ON COLUMN ticklake."trades_live"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."trades_live"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."trades_live"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."trades_live"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."trades_live"."trade_id" IS 'The feed''s own id: of the trade, or of the aggregate where feed is agg_trade.';

COMMENT ON COLUMN ticklake."trades_live"."first_id" IS 'First of the exchange''s trades in an aggregate; NULL for a single trade.';

COMMENT ON COLUMN ticklake."trades_live"."last_id" IS 'Last of the exchange''s trades in an aggregate; NULL for a single trade.';

COMMENT ON COLUMN ticklake."trades_live"."price" IS 'Price in the quote currency, as received.';

COMMENT ON COLUMN ticklake."trades_live"."quantity" IS 'Quantity of the base currency, as received.';

COMMENT ON COLUMN ticklake."trades_live"."quote_quantity" IS 'price * quantity, exact, always computed here.';

COMMENT ON COLUMN ticklake."trades_live"."taker_side" IS 'buy or sell: what the taker did.';

COMMENT ON COLUMN ticklake."trades_live"."ts" IS 'The trade''s own time, floored to the coarsest unit that any source of the feed offers.';

COMMENT ON COLUMN ticklake."trades_live"."event_ts" IS 'When the exchange sent it; NULL where it does not say.';

COMMENT ON COLUMN ticklake."trades_live"."recv_ts" IS 'When our collector received it; of an adopted tick, when the exchange sent it.';

COMMENT ON COLUMN ticklake."trades_live"."source" IS 'How it reached us: ws, rest, dump or adopted.';

COMMENT ON COLUMN ticklake."trades_live"."object" IS 'The landing object that holds it, relative to the lake.';

COMMENT ON COLUMN ticklake."trades_live"."conn" IS 'The connection (or file) that brought it.';

COMMENT ON COLUMN ticklake."trades_live"."seq" IS 'Number of the line on its connection and channel.';

COMMENT ON COLUMN ticklake."trades_live"."item" IS 'Place in the line''s array; 0 where there is none.';

COMMENT ON COLUMN ticklake."trades_live"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."trades_live"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."minute_aggregates_live" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "feed" VARCHAR(256),
  "pair" VARCHAR(256),
  "minute" TIMESTAMP,
  "open" DECIMAL(20,10),
  "high" DECIMAL(20,10),
  "low" DECIMAL(20,10),
  "close" DECIMAL(20,10),
  "vwap" DECIMAL(20,10),
  "volume" DECIMAL(30,8),
  "quote_volume" DECIMAL(38,18),
  "trades" BIGINT,
  "buy_trades" BIGINT,
  "buy_volume" DECIMAL(30,8),
  "buy_quote_volume" DECIMAL(38,18),
  "sell_trades" BIGINT,
  "sell_volume" DECIMAL(30,8),
  "sell_quote_volume" DECIMAL(38,18),
  "avg_buy_price" DECIMAL(20,10),
  "avg_sell_price" DECIMAL(20,10),
  "first_id" BIGINT,
  "last_id" BIGINT,
  "first_trade_id" BIGINT,
  "last_trade_id" BIGINT,
  "first_ts" TIMESTAMP,
  "last_ts" TIMESTAMP,
  "ticks" BIGINT,
  "missing_trades" BIGINT,
  "is_complete" BOOLEAN,
  "revision" BIGINT,
  "updated_at" TIMESTAMP,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."minute_aggregates_live" IS 'One row a minute that has trades. Always equal to the aggregation of the rows of trades; corrected when one arrives late.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."minute" IS 'Start of the minute, UTC.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."open" IS 'Price of the trade with the least id.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."high" IS 'Highest price.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."low" IS 'Lowest price.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."close" IS 'Price of the trade with the greatest id.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."vwap" IS 'quote_volume / volume, half up to ten decimals; NULL where it does not fit.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."volume" IS 'Sum of quantity.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."quote_volume" IS 'Sum of quote_quantity, exact.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."trades" IS 'The exchange''s trades: those inside the aggregates where the market''s ids tell, else rows.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."buy_trades" IS 'Trades in which the taker bought.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."buy_volume" IS 'Quantity that takers bought.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."buy_quote_volume" IS 'Quote amount of what takers bought.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."sell_trades" IS 'Trades in which the taker sold.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."sell_volume" IS 'Quantity that takers sold.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."sell_quote_volume" IS 'Quote amount of what takers sold.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."avg_buy_price" IS 'buy_quote_volume / buy_volume, half up; NULL without buys or where it does not fit.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."avg_sell_price" IS 'sell_quote_volume / sell_volume, half up; NULL without sells or where it does not fit.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."first_id" IS 'Least trade_id.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."last_id" IS 'Greatest trade_id.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."first_trade_id" IS 'First of the exchange''s trades; NULL where an aggregate does not tell.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."last_trade_id" IS 'Last of the exchange''s trades; NULL where an aggregate does not tell.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."first_ts" IS 'Time of the earliest trade.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."last_ts" IS 'Time of the latest trade.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."ticks" IS 'Rows of trades.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."missing_trades" IS 'Ids absent directly below its trades, down to the next one there is; NULL: not dense.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."is_complete" IS 'Is every id next to one of its trades seen? NULL where ids are not dense.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."revision" IS '0 while the feed has no later minute; grows with each committed change after that.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."updated_at" IS 'When this row was written.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."minute_aggregates_live"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."quarantine" (
  "channel" VARCHAR(256),
  "venue" VARCHAR(65535),
  "market" VARCHAR(65535),
  "feed" VARCHAR(65535),
  "pair" VARCHAR(65535),
  "trade_id" BIGINT,
  "ts" TIMESTAMP,
  "reason" VARCHAR(65535),
  "detail" VARCHAR(65535),
  "raw" VARCHAR(65535),
  "object" VARCHAR(65535),
  "line_sha256" VARCHAR(65535),
  "recv_ts" TIMESTAMP,
  "conn" VARCHAR(256),
  "seq" BIGINT,
  "item" INTEGER,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."quarantine" IS 'Every item of the landing zone that no other table holds and that is no duplicate, with the reason.';

COMMENT ON COLUMN ticklake."quarantine"."channel" IS 'The landing zone''s channel.';

COMMENT ON COLUMN ticklake."quarantine"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."quarantine"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."quarantine"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."quarantine"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."quarantine"."trade_id" IS 'The trade''s id; NULL where unknown.';

COMMENT ON COLUMN ticklake."quarantine"."ts" IS 'The trade''s own time; NULL where unknown.';

COMMENT ON COLUMN ticklake."quarantine"."reason" IS 'Why, in a word: one of the reasons in docs/tables.md.';

COMMENT ON COLUMN ticklake."quarantine"."detail" IS 'What stood there, or what it disagrees with.';

COMMENT ON COLUMN ticklake."quarantine"."raw" IS 'The line as it lies in the landing object.';

COMMENT ON COLUMN ticklake."quarantine"."object" IS 'The landing object, relative to the lake.';

COMMENT ON COLUMN ticklake."quarantine"."line_sha256" IS 'Sha256 of the line; with object the key where the line is no envelope.';

COMMENT ON COLUMN ticklake."quarantine"."recv_ts" IS 'When our collector received it; NULL where unknown.';

COMMENT ON COLUMN ticklake."quarantine"."conn" IS 'The connection (or file) that brought it; NULL where unknown.';

COMMENT ON COLUMN ticklake."quarantine"."seq" IS 'Number of the line on its connection and channel; NULL where unknown.';

COMMENT ON COLUMN ticklake."quarantine"."item" IS 'Place in the line''s array; 0 where there is none.';

COMMENT ON COLUMN ticklake."quarantine"."year" IS 'Year of the day in the object''s name.';

COMMENT ON COLUMN ticklake."quarantine"."month" IS 'Month of the day in the object''s name.';

CREATE TABLE IF NOT EXISTS ticklake."order_books" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "pair" VARCHAR(256),
  "recv_ts" TIMESTAMP,
  "sequence" BIGINT,
  "ts" TIMESTAMP,
  "level" INTEGER,
  "levels" INTEGER,
  "aggregated" BOOLEAN,
  "bids" SUPER,
  "asks" SUPER,
  "best_bid" DECIMAL(20,10),
  "best_ask" DECIMAL(20,10),
  "mid" DECIMAL(20,10),
  "spread" DECIMAL(20,10),
  "spread_pct" DECIMAL(12,6),
  "bid_depth_10bp" DECIMAL(38,18),
  "bid_depth_50bp" DECIMAL(38,18),
  "bid_depth_100bp" DECIMAL(38,18),
  "ask_depth_10bp" DECIMAL(38,18),
  "ask_depth_50bp" DECIMAL(38,18),
  "ask_depth_100bp" DECIMAL(38,18),
  "state" VARCHAR(65535),
  "source" VARCHAR(65535),
  "object" VARCHAR(65535),
  "conn" VARCHAR(65535),
  "seq" BIGINT,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."order_books" IS 'Every snapshot of an order book, streamed or asked for. Crossed, empty and one-sided ones are kept, and say so.';

COMMENT ON COLUMN ticklake."order_books"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."order_books"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."order_books"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."order_books"."recv_ts" IS 'When our collector received it.';

COMMENT ON COLUMN ticklake."order_books"."sequence" IS 'The venue''s number of the book; NULL where it does not say.';

COMMENT ON COLUMN ticklake."order_books"."ts" IS 'The venue''s time of the book; NULL where it does not say.';

COMMENT ON COLUMN ticklake."order_books"."level" IS 'What a level is: 1 the best price, 2 a sum a price, 3 each order (summed by price here).';

COMMENT ON COLUMN ticklake."order_books"."levels" IS 'How many levels a side were asked for; NULL: all that the venue gives.';

COMMENT ON COLUMN ticklake."order_books"."aggregated" IS 'Did the venue sum the orders by price?';

COMMENT ON COLUMN ticklake."order_books"."bids" IS 'What is bid, the best price first.';

COMMENT ON COLUMN ticklake."order_books"."asks" IS 'What is asked, the best price first.';

COMMENT ON COLUMN ticklake."order_books"."best_bid" IS 'The highest price bid; NULL where nothing is.';

COMMENT ON COLUMN ticklake."order_books"."best_ask" IS 'The lowest price asked; NULL where nothing is.';

COMMENT ON COLUMN ticklake."order_books"."mid" IS '(best_bid + best_ask) / 2, half up; NULL where a side is empty.';

COMMENT ON COLUMN ticklake."order_books"."spread" IS 'best_ask - best_bid; negative where the book is crossed.';

COMMENT ON COLUMN ticklake."order_books"."spread_pct" IS 'spread * 100 / best_ask, half up; NULL where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."bid_depth_10bp" IS 'Quote amount of the bids within 10 basis points of mid; NULL without a mid or where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."bid_depth_50bp" IS 'Quote amount of the bids within 50 basis points of mid; NULL without a mid or where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."bid_depth_100bp" IS 'Quote amount of the bids within 100 basis points of mid; NULL without a mid or where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."ask_depth_10bp" IS 'Quote amount of the asks within 10 basis points of mid; NULL without a mid or where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."ask_depth_50bp" IS 'Quote amount of the asks within 50 basis points of mid; NULL without a mid or where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."ask_depth_100bp" IS 'Quote amount of the asks within 100 basis points of mid; NULL without a mid or where it does not fit.';

COMMENT ON COLUMN ticklake."order_books"."state" IS 'ok, crossed (best_bid >= best_ask), one_sided, or empty.';

COMMENT ON COLUMN ticklake."order_books"."source" IS 'ws: the venue sent it; rest: it was asked for; adopted: a file of another collector.';

COMMENT ON COLUMN ticklake."order_books"."object" IS 'The landing object that holds it, relative to the lake.';

COMMENT ON COLUMN ticklake."order_books"."conn" IS 'The connection that brought it.';

COMMENT ON COLUMN ticklake."order_books"."seq" IS 'Number of the line on its connection and channel.';

COMMENT ON COLUMN ticklake."order_books"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."order_books"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."klines_live" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "pair" VARCHAR(256),
  "width" VARCHAR(256),
  "open_time" TIMESTAMP,
  "open" DECIMAL(20,10),
  "high" DECIMAL(20,10),
  "low" DECIMAL(20,10),
  "close" DECIMAL(20,10),
  "volume" DECIMAL(30,8),
  "close_time" TIMESTAMP,
  "quote_volume" DECIMAL(38,18),
  "trades" BIGINT,
  "taker_buy_volume" DECIMAL(30,8),
  "taker_buy_quote_volume" DECIMAL(38,18),
  "first_id" BIGINT,
  "last_id" BIGINT,
  "recv_ts" TIMESTAMP,
  "source" VARCHAR(65535),
  "object" VARCHAR(65535),
  "conn" VARCHAR(65535),
  "seq" BIGINT,
  "item" INTEGER,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."klines_live" IS 'The exchange''s own candles, closed ones only. Of several copies the one with the most trades, then with ids, then the newest.';

COMMENT ON COLUMN ticklake."klines_live"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."klines_live"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."klines_live"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."klines_live"."width" IS 'How long it is, as the exchange says it: 1m, 1h, 1d …';

COMMENT ON COLUMN ticklake."klines_live"."open_time" IS 'Its start.';

COMMENT ON COLUMN ticklake."klines_live"."open" IS 'Price of its first trade.';

COMMENT ON COLUMN ticklake."klines_live"."high" IS 'Highest price.';

COMMENT ON COLUMN ticklake."klines_live"."low" IS 'Lowest price.';

COMMENT ON COLUMN ticklake."klines_live"."close" IS 'Price of its last trade.';

COMMENT ON COLUMN ticklake."klines_live"."volume" IS 'Sum of the quantities.';

COMMENT ON COLUMN ticklake."klines_live"."close_time" IS 'Its last moment, as the exchange says it.';

COMMENT ON COLUMN ticklake."klines_live"."quote_volume" IS 'Sum of the quote amounts.';

COMMENT ON COLUMN ticklake."klines_live"."trades" IS 'How many trades.';

COMMENT ON COLUMN ticklake."klines_live"."taker_buy_volume" IS 'Quantity that takers bought.';

COMMENT ON COLUMN ticklake."klines_live"."taker_buy_quote_volume" IS 'Quote amount of what takers bought.';

COMMENT ON COLUMN ticklake."klines_live"."first_id" IS 'Id of its first trade; NULL: the source does not tell, or there is none.';

COMMENT ON COLUMN ticklake."klines_live"."last_id" IS 'Id of its last trade; NULL: the source does not tell, or there is none.';

COMMENT ON COLUMN ticklake."klines_live"."recv_ts" IS 'When our collector received it.';

COMMENT ON COLUMN ticklake."klines_live"."source" IS 'ws: the venue sent it; rest: it was asked for; adopted: a file of another collector.';

COMMENT ON COLUMN ticklake."klines_live"."object" IS 'The landing object that holds it, relative to the lake.';

COMMENT ON COLUMN ticklake."klines_live"."conn" IS 'The connection that brought it.';

COMMENT ON COLUMN ticklake."klines_live"."seq" IS 'Number of the line on its connection and channel.';

COMMENT ON COLUMN ticklake."klines_live"."item" IS 'Place in the line''s array; 0 where there is none.';

COMMENT ON COLUMN ticklake."klines_live"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."klines_live"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."collector_events" (
  "channel" VARCHAR(256),
  "venue" VARCHAR(65535),
  "market" VARCHAR(65535),
  "pair" VARCHAR(65535),
  "event" VARCHAR(65535),
  "feed" VARCHAR(65535),
  "stream" VARCHAR(65535),
  "at" TIMESTAMP,
  "before_id" BIGINT,
  "after_id" BIGINT,
  "first_missing_id" BIGINT,
  "last_missing_id" BIGINT,
  "before_ts" TIMESTAMP,
  "after_ts" TIMESTAMP,
  "rows" BIGINT,
  "outcome" VARCHAR(65535),
  "detail" VARCHAR(65535),
  "source" VARCHAR(65535),
  "recv_ts" TIMESTAMP,
  "object" VARCHAR(65535),
  "conn" VARCHAR(256),
  "seq" BIGINT,
  "item" INTEGER,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."collector_events" IS 'Every event of a collector or a repair, once; docs/ingest.md says when each is written.';

COMMENT ON COLUMN ticklake."collector_events"."channel" IS 'The landing zone''s channel: events.';

COMMENT ON COLUMN ticklake."collector_events"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."collector_events"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."collector_events"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."collector_events"."event" IS 'What happened: start, stop, connect, subscribed, disconnect, mute, gap, repair, drift, side, clock, spool.';

COMMENT ON COLUMN ticklake."collector_events"."feed" IS 'The kind that it is about, such as agg_trade; NULL: the process.';

COMMENT ON COLUMN ticklake."collector_events"."stream" IS 'The venue''s name of the stream; NULL: all of the connection.';

COMMENT ON COLUMN ticklake."collector_events"."at" IS 'When it happened, by the collector''s clock.';

COMMENT ON COLUMN ticklake."collector_events"."before_id" IS 'The last id before a hole, or before an end.';

COMMENT ON COLUMN ticklake."collector_events"."after_id" IS 'The first id after a hole; NULL where none has come.';

COMMENT ON COLUMN ticklake."collector_events"."first_missing_id" IS 'The least id that is missing; NULL where ids do not tell.';

COMMENT ON COLUMN ticklake."collector_events"."last_missing_id" IS 'The greatest id that is missing; NULL where ids do not tell.';

COMMENT ON COLUMN ticklake."collector_events"."before_ts" IS 'The venue''s time of before_id.';

COMMENT ON COLUMN ticklake."collector_events"."after_ts" IS 'The venue''s time of after_id.';

COMMENT ON COLUMN ticklake."collector_events"."rows" IS 'How many: frames of a stream, rows of a repair.';

COMMENT ON COLUMN ticklake."collector_events"."outcome" IS 'How it ended, or of which sort it is.';

COMMENT ON COLUMN ticklake."collector_events"."detail" IS 'In words.';

COMMENT ON COLUMN ticklake."collector_events"."source" IS 'Who tells: ws the collector, rest and dump a repair from there.';

COMMENT ON COLUMN ticklake."collector_events"."recv_ts" IS 'When the line was written.';

COMMENT ON COLUMN ticklake."collector_events"."object" IS 'The landing object that holds it, relative to the lake.';

COMMENT ON COLUMN ticklake."collector_events"."conn" IS 'The connection that it is of.';

COMMENT ON COLUMN ticklake."collector_events"."seq" IS 'Number of the line on its connection and channel.';

COMMENT ON COLUMN ticklake."collector_events"."item" IS 'Place in the line''s array; 0 where there is none.';

COMMENT ON COLUMN ticklake."collector_events"."year" IS 'Year of the day in the object''s name.';

COMMENT ON COLUMN ticklake."collector_events"."month" IS 'Month of the day in the object''s name.';

CREATE TABLE IF NOT EXISTS ticklake."instruments" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "symbol" VARCHAR(256),
  "recv_ts" TIMESTAMP,
  "pair" VARCHAR(65535),
  "base" VARCHAR(65535),
  "quote" VARCHAR(65535),
  "status" VARCHAR(65535),
  "tick_size" DECIMAL(20,10),
  "lot_size" DECIMAL(22,8),
  "min_notional" DECIMAL(38,18),
  "listed_at" TIMESTAMP,
  "raw" VARCHAR(65535),
  "object" VARCHAR(65535),
  "conn" VARCHAR(65535),
  "seq" BIGINT,
  "item" INTEGER
);

COMMENT ON TABLE ticklake."instruments" IS 'A row of a symbol where something of it is another than in the list before, as far as that had come; the newest holds now.';

COMMENT ON COLUMN ticklake."instruments"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."instruments"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."instruments"."symbol" IS 'The venue''s own name of it.';

COMMENT ON COLUMN ticklake."instruments"."recv_ts" IS 'When our collector received the list.';

COMMENT ON COLUMN ticklake."instruments"."pair" IS 'The pair as BASE-QUOTE; NULL: it has none, as a contract with a date.';

COMMENT ON COLUMN ticklake."instruments"."base" IS 'What is traded.';

COMMENT ON COLUMN ticklake."instruments"."quote" IS 'What it is paid with.';

COMMENT ON COLUMN ticklake."instruments"."status" IS 'As the venue says it, such as TRADING, BREAK, online, delisted; NULL: it does not say.';

COMMENT ON COLUMN ticklake."instruments"."tick_size" IS 'Prices are multiples of it; NULL: the venue does not say, or it does not fit.';

COMMENT ON COLUMN ticklake."instruments"."lot_size" IS 'Quantities are multiples of it; NULL: the venue does not say, or it does not fit.';

COMMENT ON COLUMN ticklake."instruments"."min_notional" IS 'The least amount of an order in the quote currency; NULL: the venue does not say, or it does not fit.';

COMMENT ON COLUMN ticklake."instruments"."listed_at" IS 'Since when it is traded; NULL: the venue does not say.';

COMMENT ON COLUMN ticklake."instruments"."raw" IS 'Its element of the list, as JSON.';

COMMENT ON COLUMN ticklake."instruments"."object" IS 'The landing object that holds it, relative to the lake.';

COMMENT ON COLUMN ticklake."instruments"."conn" IS 'Who asked for it.';

COMMENT ON COLUMN ticklake."instruments"."seq" IS 'Number of the line on its connection and channel.';

COMMENT ON COLUMN ticklake."instruments"."item" IS 'Place in the list.';

CREATE TABLE IF NOT EXISTS ticklake."bars" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "feed" VARCHAR(256),
  "pair" VARCHAR(256),
  "width" VARCHAR(256),
  "start" TIMESTAMP,
  "open" DECIMAL(20,10),
  "high" DECIMAL(20,10),
  "low" DECIMAL(20,10),
  "close" DECIMAL(20,10),
  "price_diff" DECIMAL(20,10),
  "price_change" DECIMAL(12,6),
  "vwap" DECIMAL(20,10),
  "volume" DECIMAL(30,8),
  "quote_volume" DECIMAL(38,18),
  "trades" BIGINT,
  "buy_trades" BIGINT,
  "buy_volume" DECIMAL(30,8),
  "buy_quote_volume" DECIMAL(38,18),
  "sell_trades" BIGINT,
  "sell_volume" DECIMAL(30,8),
  "sell_quote_volume" DECIMAL(38,18),
  "avg_buy_price" DECIMAL(20,10),
  "avg_sell_price" DECIMAL(20,10),
  "first_id" BIGINT,
  "last_id" BIGINT,
  "first_trade_id" BIGINT,
  "last_trade_id" BIGINT,
  "first_ts" TIMESTAMP,
  "last_ts" TIMESTAMP,
  "ticks" BIGINT,
  "minutes" BIGINT,
  "missing_trades" BIGINT,
  "is_complete" BOOLEAN,
  "revision" BIGINT,
  "updated_at" TIMESTAMP,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."bars" IS 'One row a bar that has minutes, of each width in the configuration. Always what the rows of minute_aggregates say.';

COMMENT ON COLUMN ticklake."bars"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."bars"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."bars"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."bars"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."bars"."width" IS 'How long the bar is, as the configuration says it: 5m, 1h, 1d.';

COMMENT ON COLUMN ticklake."bars"."start" IS 'Start of the bar, UTC; bars of several days are counted from Monday, 5 January 1970.';

COMMENT ON COLUMN ticklake."bars"."open" IS 'Price of the trade with the least id.';

COMMENT ON COLUMN ticklake."bars"."high" IS 'Highest price.';

COMMENT ON COLUMN ticklake."bars"."low" IS 'Lowest price.';

COMMENT ON COLUMN ticklake."bars"."close" IS 'Price of the trade with the greatest id.';

COMMENT ON COLUMN ticklake."bars"."price_diff" IS 'close - open.';

COMMENT ON COLUMN ticklake."bars"."price_change" IS 'price_diff in percent of open, half up; NULL where open is 0 or it does not fit.';

COMMENT ON COLUMN ticklake."bars"."vwap" IS 'quote_volume / volume, half up to ten decimals; NULL where it does not fit.';

COMMENT ON COLUMN ticklake."bars"."volume" IS 'Sum of quantity; NULL where it does not fit, as all sums here.';

COMMENT ON COLUMN ticklake."bars"."quote_volume" IS 'Sum of quote_quantity, exact.';

COMMENT ON COLUMN ticklake."bars"."trades" IS 'The exchange''s trades, as in minute_aggregates.';

COMMENT ON COLUMN ticklake."bars"."buy_trades" IS 'Trades in which the taker bought.';

COMMENT ON COLUMN ticklake."bars"."buy_volume" IS 'Quantity that takers bought.';

COMMENT ON COLUMN ticklake."bars"."buy_quote_volume" IS 'Quote amount of what takers bought.';

COMMENT ON COLUMN ticklake."bars"."sell_trades" IS 'Trades in which the taker sold.';

COMMENT ON COLUMN ticklake."bars"."sell_volume" IS 'Quantity that takers sold.';

COMMENT ON COLUMN ticklake."bars"."sell_quote_volume" IS 'Quote amount of what takers sold.';

COMMENT ON COLUMN ticklake."bars"."avg_buy_price" IS 'buy_quote_volume / buy_volume, half up; NULL without buys or where it does not fit.';

COMMENT ON COLUMN ticklake."bars"."avg_sell_price" IS 'sell_quote_volume / sell_volume, half up; NULL without sells or where it does not fit.';

COMMENT ON COLUMN ticklake."bars"."first_id" IS 'Least trade_id.';

COMMENT ON COLUMN ticklake."bars"."last_id" IS 'Greatest trade_id.';

COMMENT ON COLUMN ticklake."bars"."first_trade_id" IS 'First of the exchange''s trades; NULL where an aggregate does not tell.';

COMMENT ON COLUMN ticklake."bars"."last_trade_id" IS 'Last of the exchange''s trades; NULL where an aggregate does not tell.';

COMMENT ON COLUMN ticklake."bars"."first_ts" IS 'Time of the earliest trade.';

COMMENT ON COLUMN ticklake."bars"."last_ts" IS 'Time of the latest trade.';

COMMENT ON COLUMN ticklake."bars"."ticks" IS 'Rows of trades.';

COMMENT ON COLUMN ticklake."bars"."minutes" IS 'Rows of minute_aggregates.';

COMMENT ON COLUMN ticklake."bars"."missing_trades" IS 'Sum of missing_trades of its minutes; NULL: not dense.';

COMMENT ON COLUMN ticklake."bars"."is_complete" IS 'Is it shown that nothing of it is lost? Each of its minutes is complete, and the ids go on without a break from the minute row before the bar, through all of its own, to the one after it, none more than a week apart. So never of a feed''s newest bar. NULL where ids are not dense.';

COMMENT ON COLUMN ticklake."bars"."revision" IS '1 when the bar is first written; grows with each committed change.';

COMMENT ON COLUMN ticklake."bars"."updated_at" IS 'When these values were written.';

COMMENT ON COLUMN ticklake."bars"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."bars"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."fills" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "pair" VARCHAR(256),
  "recv_ts" TIMESTAMP,
  "side" VARCHAR(256),
  "notional" DECIMAL(38,18),
  "average_price" DECIMAL(20,10),
  "worst_price" DECIMAL(20,10),
  "filled" DECIMAL(30,8),
  "levels" INTEGER,
  "cost" DECIMAL(38,18),
  "slippage_pct" DECIMAL(12,6),
  "is_full" BOOLEAN,
  "is_cut" BOOLEAN,
  "ts" TIMESTAMP,
  "level" INTEGER,
  "mid" DECIMAL(20,10),
  "state" VARCHAR(65535),
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."fills" IS 'One row a book of order_books, side and notional of the configuration: what buying or selling so much at once comes to.';

COMMENT ON COLUMN ticklake."fills"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."fills"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."fills"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."fills"."recv_ts" IS 'When our collector received the book.';

COMMENT ON COLUMN ticklake."fills"."side" IS 'buy: the asks are walked; sell: the bids. From the best price on.';

COMMENT ON COLUMN ticklake."fills"."notional" IS 'How much is to be spent or received, in the quote currency.';

COMMENT ON COLUMN ticklake."fills"."average_price" IS 'cost / filled, half up to ten decimals; NULL where nothing is filled.';

COMMENT ON COLUMN ticklake."fills"."worst_price" IS 'Price of the last level of which something is taken; NULL where nothing is filled.';

COMMENT ON COLUMN ticklake."fills"."filled" IS 'Base quantity bought or sold. Of the last level as many whole 0.00000001 are taken as what is left of the notional pays for, rounded down; of each level before it all.';

COMMENT ON COLUMN ticklake."fills"."levels" IS 'Levels of which something is taken.';

COMMENT ON COLUMN ticklake."fills"."cost" IS 'Quote amount spent or received, exact: the sum of price * quantity taken. Never more than notional.';

COMMENT ON COLUMN ticklake."fills"."slippage_pct" IS 'How much worse than mid average_price is, in percent of mid, half up: above 0 for paying more or receiving less. NULL without a mid, where nothing is filled, or where it does not fit.';

COMMENT ON COLUMN ticklake."fills"."is_full" IS 'Is it all there? What is left of notional, if anything, does not pay for another 0.00000001 at the next price. False where nothing is filled.';

COMMENT ON COLUMN ticklake."fills"."is_cut" IS 'Not full, and the walked side ends where the request for the book ended, so there may be more in the market: it has as many levels as were asked for (levels of order_books; one at level 1) or more. Of level 3, where orders of one price are one level here, any will do if their number was asked for. False where all levels were asked for, or fewer came: that was all.';

COMMENT ON COLUMN ticklake."fills"."ts" IS 'The venue''s time of the book; NULL where it does not say.';

COMMENT ON COLUMN ticklake."fills"."level" IS 'What a level of the book is, as in order_books; 1: the best price is all that was asked for.';

COMMENT ON COLUMN ticklake."fills"."mid" IS '(best_bid + best_ask) / 2 of the book; NULL where a side is empty.';

COMMENT ON COLUMN ticklake."fills"."state" IS 'ok, crossed, one_sided, or empty, as in order_books. A crossed book is not walked: all figures are NULL, both flags false.';

COMMENT ON COLUMN ticklake."fills"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."fills"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."gaps" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "feed" VARCHAR(256),
  "pair" VARCHAR(256),
  "before_id" BIGINT,
  "after_id" BIGINT,
  "first_missing_id" BIGINT,
  "last_missing_id" BIGINT,
  "missing" BIGINT,
  "before_ts" TIMESTAMP,
  "after_ts" TIMESTAMP,
  "detected_by" VARCHAR(65535),
  "state" VARCHAR(65535),
  "repaired_rows" BIGINT,
  "detected_at" TIMESTAMP,
  "closed_at" TIMESTAMP,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."gaps" IS 'One row a hole: how it was found, what of it is missing still, and how it was closed.';

COMMENT ON COLUMN ticklake."gaps"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."gaps"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."gaps"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."gaps"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."gaps"."before_id" IS 'The last id before the hole; never changes.';

COMMENT ON COLUMN ticklake."gaps"."after_id" IS 'The first id after it; never changes. NULL: nobody knows.';

COMMENT ON COLUMN ticklake."gaps"."first_missing_id" IS 'The least id that is absent still; NULL: none, or ids do not tell.';

COMMENT ON COLUMN ticklake."gaps"."last_missing_id" IS 'The greatest id that is absent still; NULL: none, or ids do not tell.';

COMMENT ON COLUMN ticklake."gaps"."missing" IS 'How many ids are absent still; NULL: not dense.';

COMMENT ON COLUMN ticklake."gaps"."before_ts" IS 'The trade''s time of before_id; never changes. NULL: not known.';

COMMENT ON COLUMN ticklake."gaps"."after_ts" IS 'The trade''s time of after_id; never changes. NULL: not known.';

COMMENT ON COLUMN ticklake."gaps"."detected_by" IS 'minutes: missing in minute_aggregates; collector: a collector told of it.';

COMMENT ON COLUMN ticklake."gaps"."state" IS 'What became of it: one of the states in docs/tables.md.';

COMMENT ON COLUMN ticklake."gaps"."repaired_rows" IS 'Rows of trades that lie in it by now; NULL where ids do not tell and no repair did.';

COMMENT ON COLUMN ticklake."gaps"."detected_at" IS 'When a collector saw it, or the run of gaps that found it.';

COMMENT ON COLUMN ticklake."gaps"."closed_at" IS 'When a run of gaps saw that it is not open any more.';

COMMENT ON COLUMN ticklake."gaps"."year" IS 'Year of before_ts, else of after_ts, else of detected_at.';

COMMENT ON COLUMN ticklake."gaps"."month" IS 'Month of the same: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."loads" (
  "object" VARCHAR(256),
  "sha256" VARCHAR(256),
  "dataset" VARCHAR(65535),
  "venue" VARCHAR(65535),
  "market" VARCHAR(65535),
  "feed" VARCHAR(65535),
  "pair" VARCHAR(65535),
  "first_day" DATE,
  "last_day" DATE,
  "bytes" BIGINT,
  "rows" BIGINT,
  "first_id" BIGINT,
  "last_id" BIGINT,
  "rejected" BIGINT,
  "verdict" VARCHAR(65535),
  "detail" VARCHAR(65535),
  "loaded_at" TIMESTAMP
);

COMMENT ON TABLE ticklake."loads" IS 'What compact found in each file of the inbox, and adopt in each file of another system: a row a version of a file, of a file of lines a row a month of it; a run that finds the same changes nothing.';

COMMENT ON COLUMN ticklake."loads"."object" IS 'The file, relative to the lake; of an adopted one the name under which the lake keeps it where no lines are made of it.';

COMMENT ON COLUMN ticklake."loads"."sha256" IS 'Of its bytes.';

COMMENT ON COLUMN ticklake."loads"."dataset" IS 'What it was made part of below history/: trades, klines, imported_minutes, imported_spreads; of lines the table.';

COMMENT ON COLUMN ticklake."loads"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."loads"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."loads"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."loads"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."loads"."first_day" IS 'The first day, UTC, that it is of.';

COMMENT ON COLUMN ticklake."loads"."last_day" IS 'The last one.';

COMMENT ON COLUMN ticklake."loads"."bytes" IS 'As it lies in the inbox.';

COMMENT ON COLUMN ticklake."loads"."rows" IS 'Rows that are believed; NULL where it was not read.';

COMMENT ON COLUMN ticklake."loads"."first_id" IS 'Least id of these; NULL: of candles.';

COMMENT ON COLUMN ticklake."loads"."last_id" IS 'Greatest id of these; NULL: of candles.';

COMMENT ON COLUMN ticklake."loads"."rejected" IS 'Rows that are not; each is in rejects.';

COMMENT ON COLUMN ticklake."loads"."verdict" IS 'One of loaded, as_in_month, differs_from_month, checksum, unreadable, adopted, not_published.';

COMMENT ON COLUMN ticklake."loads"."detail" IS 'What is wrong, in words; empty where nothing is.';

COMMENT ON COLUMN ticklake."loads"."loaded_at" IS 'When the run began that found it so.';

CREATE TABLE IF NOT EXISTS ticklake."published" (
  "dataset" VARCHAR(256),
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "feed" VARCHAR(256),
  "pair" VARCHAR(256),
  "year" INTEGER,
  "month" INTEGER,
  "object" VARCHAR(65535),
  "sha256" VARCHAR(65535),
  "bytes" BIGINT,
  "rows" BIGINT,
  "first_id" BIGINT,
  "last_id" BIGINT,
  "missing" BIGINT,
  "duplicates" BIGINT,
  "sources" SUPER,
  "runs" SUPER,
  "made_with" VARCHAR(65535),
  "published_at" TIMESTAMP
);

COMMENT ON TABLE ticklake."published" IS 'The months of history: one row an object below history/, which readers take in the place of the live rows of that month.';

COMMENT ON COLUMN ticklake."published"."dataset" IS 'What it is part of: trades, minute_aggregates, klines, imported_minutes or imported_spreads.';

COMMENT ON COLUMN ticklake."published"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."published"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."published"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."published"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."published"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."published"."month" IS 'Month of the time, UTC: 1, not 01.';

COMMENT ON COLUMN ticklake."published"."object" IS 'The parquet object, relative to the lake.';

COMMENT ON COLUMN ticklake."published"."sha256" IS 'Of its bytes.';

COMMENT ON COLUMN ticklake."published"."bytes" IS 'How many these are.';

COMMENT ON COLUMN ticklake."published"."rows" IS 'Rows in it.';

COMMENT ON COLUMN ticklake."published"."first_id" IS 'Least id of its trades; NULL: of candles.';

COMMENT ON COLUMN ticklake."published"."last_id" IS 'Greatest id of its trades; NULL: of candles.';

COMMENT ON COLUMN ticklake."published"."missing" IS 'Ids between these two that are missing; of minutes the sum of theirs, of candles those that are absent. NULL: not dense.';

COMMENT ON COLUMN ticklake."published"."duplicates" IS 'Rows of the files that said again what another one had said.';

COMMENT ON COLUMN ticklake."published"."sources" IS 'The files that it was made of, in their order; of minutes the object of their trades.';

COMMENT ON COLUMN ticklake."published"."runs" IS 'Of trades the ids without a break, from low to high, with the first and the last trade among them: an id that the venue gave to nothing is none. Between two of them lies a hole. Of candles the same of their numbers since 1970. NULL: not dense.';

COMMENT ON COLUMN ticklake."published"."made_with" IS 'Of minutes: changes with what the months beside this one have to say of their flags.';

COMMENT ON COLUMN ticklake."published"."published_at" IS 'When the run began that published it.';

CREATE TABLE IF NOT EXISTS ticklake."quality_results" (
  "run" VARCHAR(256),
  "table" VARCHAR(256),
  "expectation" VARCHAR(256),
  "day" DATE,
  "suite" VARCHAR(65535),
  "kind" VARCHAR(65535),
  "column_name" VARCHAR(65535),
  "success" BOOLEAN,
  "observed" VARCHAR(65535),
  "checked" BIGINT,
  "unexpected_count" BIGINT,
  "unexpected_pct" DECIMAL(12,6),
  "examples" VARCHAR(65535),
  "table_version" BIGINT,
  "checked_at" TIMESTAMP
);

COMMENT ON TABLE ticklake."quality_results" IS 'One row a run, table, expectation and day that was looked at; and what the stream''s own rules kept out since the run before.';

COMMENT ON COLUMN ticklake."quality_results"."run" IS 'The run of quality: its record is control/runs/quality/<run>.json.';

COMMENT ON COLUMN ticklake."quality_results"."table" IS 'The table that was looked at; of the stream''s own rules the one that its query writes.';

COMMENT ON COLUMN ticklake."quality_results"."expectation" IS 'Its name in the file of conf/expectations; of the stream''s own rules stream_ and the reason of quarantine, or one of stream_quarantined (all reasons), stream_conflicts and stream_unfit (minutes whose sums do not fit).';

COMMENT ON COLUMN ticklake."quality_results"."day" IS 'The day, UTC, whose rows were looked at; the open day for those that ask how fresh a table is. Of the stream''s own rules: the day of the run.';

COMMENT ON COLUMN ticklake."quality_results"."suite" IS 'The file of conf/expectations, without .json; stream for the stream''s own rules.';

COMMENT ON COLUMN ticklake."quality_results"."kind" IS 'What Great Expectations calls it; NULL for the stream''s own rules.';

COMMENT ON COLUMN ticklake."quality_results"."column_name" IS 'The column that it is about, also one that the file computes; NULL: not one alone.';

COMMENT ON COLUMN ticklake."quality_results"."success" IS 'Is it so? NULL: there was nothing to look at; or a count of the stream''s, which nobody judges.';

COMMENT ON COLUMN ticklake."quality_results"."observed" IS 'What was found, in words: how many of how many, the error that it ended in, nothing to look at.';

COMMENT ON COLUMN ticklake."quality_results"."checked" IS 'Rows that it looked at, or items of the stream; NULL: not known.';

COMMENT ON COLUMN ticklake."quality_results"."unexpected_count" IS 'How many of them are not as expected; of a question in SQL, the rows of its answer. NULL: not counted in rows.';

COMMENT ON COLUMN ticklake."quality_results"."unexpected_pct" IS 'unexpected_count in percent of checked, half up; NULL where one of them is, or checked is 0.';

COMMENT ON COLUMN ticklake."quality_results"."examples" IS 'Some of them, twenty at most, as a JSON list: the key of each row, or the rows of the answer.';

COMMENT ON COLUMN ticklake."quality_results"."table_version" IS 'Delta''s version of the table that was looked at; NULL for the stream''s own rules.';

COMMENT ON COLUMN ticklake."quality_results"."checked_at" IS 'When the run began.';

CREATE TABLE IF NOT EXISTS ticklake."reconciliation" (
  "venue" VARCHAR(256),
  "market" VARCHAR(256),
  "feed" VARCHAR(256),
  "pair" VARCHAR(256),
  "minute" TIMESTAMP,
  "verdict" VARCHAR(65535),
  "own_open" DECIMAL(20,10),
  "own_high" DECIMAL(20,10),
  "own_low" DECIMAL(20,10),
  "own_close" DECIMAL(20,10),
  "own_volume" DECIMAL(30,8),
  "own_quote_volume" DECIMAL(38,18),
  "own_buy_volume" DECIMAL(30,8),
  "own_buy_quote_volume" DECIMAL(38,18),
  "own_trades" BIGINT,
  "own_first_id" BIGINT,
  "own_last_id" BIGINT,
  "exchange_open" DECIMAL(20,10),
  "exchange_high" DECIMAL(20,10),
  "exchange_low" DECIMAL(20,10),
  "exchange_close" DECIMAL(20,10),
  "exchange_volume" DECIMAL(30,8),
  "exchange_quote_volume" DECIMAL(38,18),
  "exchange_buy_volume" DECIMAL(30,8),
  "exchange_buy_quote_volume" DECIMAL(38,18),
  "exchange_trades" BIGINT,
  "exchange_first_id" BIGINT,
  "exchange_last_id" BIGINT,
  "open_diff" DECIMAL(20,10),
  "high_diff" DECIMAL(20,10),
  "low_diff" DECIMAL(20,10),
  "close_diff" DECIMAL(20,10),
  "volume_diff" DECIMAL(30,8),
  "quote_volume_diff" DECIMAL(38,18),
  "buy_volume_diff" DECIMAL(30,8),
  "buy_quote_volume_diff" DECIMAL(38,18),
  "trades_diff" BIGINT,
  "first_id_diff" BIGINT,
  "last_id_diff" BIGINT,
  "is_complete" BOOLEAN,
  "missing_trades" BIGINT,
  "straddle_from" TIMESTAMP,
  "straddle_to" TIMESTAMP,
  "revision" BIGINT,
  "updated_at" TIMESTAMP,
  "year" INTEGER,
  "month" INTEGER
);

COMMENT ON TABLE ticklake."reconciliation" IS 'Our minutes against the exchange''s own candles of a minute, exact: a row a minute of ours, and a candle between a feed''s first and last minute. Only of venues that have candles.';

COMMENT ON COLUMN ticklake."reconciliation"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."reconciliation"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."reconciliation"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."reconciliation"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."reconciliation"."minute" IS 'Start of the minute, UTC.';

COMMENT ON COLUMN ticklake."reconciliation"."verdict" IS 'The first of these that holds. equal: Every figure that both sides tell is the same. equal_uncounted: The same, but for count and ids: the market''s aggregates do not count the exchange''s trades (USD-M agg_trade). straddle: The exchange counts a part of an aggregate in the next minute: what these neighbouring minutes, straddle_from to straddle_to, differ by adds up to nought in every sum. open: The feed''s newest minute (revision 0): more of it may come. no_candle: There is no closed candle of the minute (yet). missing_trades: Our minute is known to be incomplete, and all of it that differs is what a loss takes away. unclear: Of aggregates: one that straddles the minute''s edge may explain it, but a minute that it would have to be seen in has no candle, is open, or is incomplete. no_minute: The exchange has trades, we have no row. Nothing explains it. differs: Nothing explains it.';

COMMENT ON COLUMN ticklake."reconciliation"."own_open" IS 'open of minute_aggregates; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_high" IS 'high of minute_aggregates; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_low" IS 'low of minute_aggregates; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_close" IS 'close of minute_aggregates; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_volume" IS 'volume of minute_aggregates; 0 where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_quote_volume" IS 'quote_volume of minute_aggregates; 0 where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_buy_volume" IS 'buy_volume of minute_aggregates; 0 where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_buy_quote_volume" IS 'buy_quote_volume of minute_aggregates; 0 where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_trades" IS 'trades of minute_aggregates; 0 where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_first_id" IS 'first_trade_id of minute_aggregates; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."own_last_id" IS 'last_trade_id of minute_aggregates; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_open" IS 'open of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_high" IS 'high of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_low" IS 'low of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_close" IS 'close of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_volume" IS 'volume of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_quote_volume" IS 'quote_volume of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_buy_volume" IS 'taker_buy_volume of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_buy_quote_volume" IS 'taker_buy_quote_volume of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_trades" IS 'trades of klines; NULL where there is none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_first_id" IS 'first_id of klines; NULL where it tells none.';

COMMENT ON COLUMN ticklake."reconciliation"."exchange_last_id" IS 'last_id of klines; NULL where it tells none.';

COMMENT ON COLUMN ticklake."reconciliation"."open_diff" IS 'own_open - exchange_open; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."high_diff" IS 'own_high - exchange_high; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."low_diff" IS 'own_low - exchange_low; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."close_diff" IS 'own_close - exchange_close; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."volume_diff" IS 'own_volume - exchange_volume; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."quote_volume_diff" IS 'own_quote_volume - exchange_quote_volume; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."buy_volume_diff" IS 'own_buy_volume - exchange_buy_volume; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."buy_quote_volume_diff" IS 'own_buy_quote_volume - exchange_buy_quote_volume; NULL where one of them is.';

COMMENT ON COLUMN ticklake."reconciliation"."trades_diff" IS 'own_trades - exchange_trades; NULL where one of them is, or it is left out.';

COMMENT ON COLUMN ticklake."reconciliation"."first_id_diff" IS 'own_first_id - exchange_first_id; NULL where one of them is, or it is left out.';

COMMENT ON COLUMN ticklake."reconciliation"."last_id_diff" IS 'own_last_id - exchange_last_id; NULL where one of them is, or it is left out.';

COMMENT ON COLUMN ticklake."reconciliation"."is_complete" IS 'Of our minute; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."missing_trades" IS 'Of our minute; NULL where we have no row.';

COMMENT ON COLUMN ticklake."reconciliation"."straddle_from" IS 'First of the minutes that a straddle lies over; NULL: it is none.';

COMMENT ON COLUMN ticklake."reconciliation"."straddle_to" IS 'Last of the minutes that a straddle lies over; NULL: it is none.';

COMMENT ON COLUMN ticklake."reconciliation"."revision" IS '1 when the row is first written; grows with each committed change.';

COMMENT ON COLUMN ticklake."reconciliation"."updated_at" IS 'When these values were written.';

COMMENT ON COLUMN ticklake."reconciliation"."year" IS 'Year of the time, UTC.';

COMMENT ON COLUMN ticklake."reconciliation"."month" IS 'Month of the time, UTC: 1, not 01.';

CREATE TABLE IF NOT EXISTS ticklake."rejects" (
  "object" VARCHAR(256),
  "sha256" VARCHAR(256),
  "line" BIGINT,
  "item" INTEGER,
  "venue" VARCHAR(65535),
  "market" VARCHAR(65535),
  "feed" VARCHAR(65535),
  "pair" VARCHAR(65535),
  "trade_id" BIGINT,
  "reason" VARCHAR(65535),
  "raw" VARCHAR(65535),
  "loaded_at" TIMESTAMP
);

COMMENT ON TABLE ticklake."rejects" IS 'Each row of a file of the inbox that is not in history, with its line and why.';

COMMENT ON COLUMN ticklake."rejects"."object" IS 'The file, relative to the lake.';

COMMENT ON COLUMN ticklake."rejects"."sha256" IS 'Of its bytes.';

COMMENT ON COLUMN ticklake."rejects"."line" IS 'The line of the CSV; the first one is 1. Of a file of lines its number on its connection.';

COMMENT ON COLUMN ticklake."rejects"."item" IS 'Place in the line''s array; 0 where there is none.';

COMMENT ON COLUMN ticklake."rejects"."venue" IS 'The exchange, such as binance.';

COMMENT ON COLUMN ticklake."rejects"."market" IS 'The exchange''s market: spot or usdm (USD-margined futures).';

COMMENT ON COLUMN ticklake."rejects"."feed" IS 'The series: trade or agg_trade (the exchange''s aggregates); .2, .3 … after an id reset that a person confirmed.';

COMMENT ON COLUMN ticklake."rejects"."pair" IS 'The pair as BASE-QUOTE, such as BTC-USDT.';

COMMENT ON COLUMN ticklake."rejects"."trade_id" IS 'Of a row that has an id and is no trade: nothing is missing there. NULL: of any other.';

COMMENT ON COLUMN ticklake."rejects"."reason" IS 'One of columns, trade_id, price, quantity, ts, taker_side, aggregate, kline, void, overflow, conflict, pair, number, width, open, hour, spread; of a file of lines those of quarantine, too.';

COMMENT ON COLUMN ticklake."rejects"."raw" IS 'The line as it stands there; of a conflict the id, or the candle''s start.';

COMMENT ON COLUMN ticklake."rejects"."loaded_at" IS 'When the run began that found it.';

CREATE OR REPLACE VIEW ticklake."trades" AS
SELECT "venue", "market", "feed", "pair", "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side", CAST("ts" AS TIMESTAMP) AS "ts", CAST("event_ts" AS TIMESTAMP) AS "event_ts", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM ticklake."trades_live"
WHERE TRUE
UNION ALL
SELECT "venue", "market", "feed", "pair", "trade_id", "first_id", "last_id", "price", "quantity", "quote_quantity", "taker_side", CAST("ts" AS TIMESTAMP) AS "ts", CAST("event_ts" AS TIMESTAMP) AS "event_ts", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM ticklake_lake."trades_history"
WHERE FALSE
WITH NO SCHEMA BINDING;

CREATE OR REPLACE VIEW ticklake."minute_aggregates" AS
SELECT "venue", "market", "feed", "pair", CAST("minute" AS TIMESTAMP) AS "minute", "open", "high", "low", "close", "vwap", "volume", "quote_volume", "trades", "buy_trades", "buy_volume", "buy_quote_volume", "sell_trades", "sell_volume", "sell_quote_volume", "avg_buy_price", "avg_sell_price", "first_id", "last_id", "first_trade_id", "last_trade_id", CAST("first_ts" AS TIMESTAMP) AS "first_ts", CAST("last_ts" AS TIMESTAMP) AS "last_ts", "ticks", "missing_trades", "is_complete", "revision", CAST("updated_at" AS TIMESTAMP) AS "updated_at", "year", "month"
FROM ticklake."minute_aggregates_live"
WHERE TRUE
UNION ALL
SELECT "venue", "market", "feed", "pair", CAST("minute" AS TIMESTAMP) AS "minute", "open", "high", "low", "close", "vwap", "volume", "quote_volume", "trades", "buy_trades", "buy_volume", "buy_quote_volume", "sell_trades", "sell_volume", "sell_quote_volume", "avg_buy_price", "avg_sell_price", "first_id", "last_id", "first_trade_id", "last_trade_id", CAST("first_ts" AS TIMESTAMP) AS "first_ts", CAST("last_ts" AS TIMESTAMP) AS "last_ts", "ticks", "missing_trades", "is_complete", "revision", CAST("updated_at" AS TIMESTAMP) AS "updated_at", "year", "month"
FROM ticklake_lake."minute_aggregates_history"
WHERE FALSE
WITH NO SCHEMA BINDING;

CREATE OR REPLACE VIEW ticklake."klines" AS
SELECT "venue", "market", "pair", "width", CAST("open_time" AS TIMESTAMP) AS "open_time", "open", "high", "low", "close", "volume", CAST("close_time" AS TIMESTAMP) AS "close_time", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "first_id", "last_id", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM ticklake."klines_live"
WHERE TRUE
UNION ALL
SELECT "venue", "market", "pair", "width", CAST("open_time" AS TIMESTAMP) AS "open_time", "open", "high", "low", "close", "volume", CAST("close_time" AS TIMESTAMP) AS "close_time", "quote_volume", "trades", "taker_buy_volume", "taker_buy_quote_volume", "first_id", "last_id", CAST("recv_ts" AS TIMESTAMP) AS "recv_ts", "source", "object", "conn", "seq", "item", "year", "month"
FROM ticklake_lake."klines_history"
WHERE FALSE
WITH NO SCHEMA BINDING;
