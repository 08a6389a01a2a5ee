-- a file's name ends with its version and the beginning of its sha256: of those that differ in nothing else the last one counts
CREATE OR REPLACE VIEW ticklake.lake.trades AS
SELECT "VENUE", "MARKET", "FEED", "PAIR", "TRADE_ID", "FIRST_ID", "LAST_ID", "PRICE", "QUANTITY", "QUOTE_QUANTITY", "TAKER_SIDE", "TS", "EVENT_TS", "RECV_TS", "SOURCE", "OBJECT", "CONN", "SEQ", "ITEM", "YEAR", "MONTH"
FROM ticklake.lake.trades_files
QUALIFY file = MAX(file) OVER (PARTITION BY LEFT(file, LENGTH(file) - 28));

-- a file's name ends with its version and the beginning of its sha256: of those that differ in nothing else the last one counts
CREATE OR REPLACE VIEW ticklake.lake.minute_aggregates AS
SELECT "VENUE", "MARKET", "FEED", "PAIR", "MINUTE", "OPEN", "HIGH", "LOW", "CLOSE", "VWAP", "VOLUME", "QUOTE_VOLUME", "TRADES", "BUY_TRADES", "BUY_VOLUME", "BUY_QUOTE_VOLUME", "SELL_TRADES", "SELL_VOLUME", "SELL_QUOTE_VOLUME", "AVG_BUY_PRICE", "AVG_SELL_PRICE", "FIRST_ID", "LAST_ID", "FIRST_TRADE_ID", "LAST_TRADE_ID", "FIRST_TS", "LAST_TS", "TICKS", "MISSING_TRADES", "IS_COMPLETE", "REVISION", "UPDATED_AT", "YEAR", "MONTH"
FROM ticklake.lake.minute_aggregates_files
QUALIFY file = MAX(file) OVER (PARTITION BY LEFT(file, LENGTH(file) - 28));

-- a file's name ends with its version and the beginning of its sha256: of those that differ in nothing else the last one counts
CREATE OR REPLACE VIEW ticklake.lake.klines AS
SELECT "VENUE", "MARKET", "PAIR", "WIDTH", "OPEN_TIME", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", "CLOSE_TIME", "QUOTE_VOLUME", "TRADES", "TAKER_BUY_VOLUME", "TAKER_BUY_QUOTE_VOLUME", "FIRST_ID", "LAST_ID", "RECV_TS", "SOURCE", "OBJECT", "CONN", "SEQ", "ITEM", "YEAR", "MONTH"
FROM ticklake.lake.klines_files
QUALIFY file = MAX(file) OVER (PARTITION BY LEFT(file, LENGTH(file) - 28));

-- a file's name ends with its version and the beginning of its sha256: of those that differ in nothing else the last one counts
CREATE OR REPLACE VIEW ticklake.lake.bars AS
SELECT "VENUE", "MARKET", "FEED", "PAIR", "WIDTH", "START", "OPEN", "HIGH", "LOW", "CLOSE", "PRICE_DIFF", "PRICE_CHANGE", "VWAP", "VOLUME", "QUOTE_VOLUME", "TRADES", "BUY_TRADES", "BUY_VOLUME", "BUY_QUOTE_VOLUME", "SELL_TRADES", "SELL_VOLUME", "SELL_QUOTE_VOLUME", "AVG_BUY_PRICE", "AVG_SELL_PRICE", "FIRST_ID", "LAST_ID", "FIRST_TRADE_ID", "LAST_TRADE_ID", "FIRST_TS", "LAST_TS", "TICKS", "MINUTES", "MISSING_TRADES", "IS_COMPLETE", "REVISION", "UPDATED_AT", "YEAR", "MONTH"
FROM ticklake.lake.bars_files
QUALIFY file = MAX(file) OVER (PARTITION BY LEFT(file, LENGTH(file) - 28));
