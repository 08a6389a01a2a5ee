CREATE PIPE IF NOT EXISTS ticklake.lake.trades_pipe AUTO_INGEST = TRUE AS
COPY INTO ticklake.lake.trades_files FROM @ticklake.lake.exports/trades/files/
  FILE_FORMAT = (FORMAT_NAME = 'ticklake.lake.parquet_file')
  MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE INCLUDE_METADATA = (file = METADATA$FILENAME);

CREATE PIPE IF NOT EXISTS ticklake.lake.minute_aggregates_pipe AUTO_INGEST = TRUE AS
COPY INTO ticklake.lake.minute_aggregates_files FROM @ticklake.lake.exports/minute_aggregates/files/
  FILE_FORMAT = (FORMAT_NAME = 'ticklake.lake.parquet_file')
  MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE INCLUDE_METADATA = (file = METADATA$FILENAME);

CREATE PIPE IF NOT EXISTS ticklake.lake.klines_pipe AUTO_INGEST = TRUE AS
COPY INTO ticklake.lake.klines_files FROM @ticklake.lake.exports/klines/files/
  FILE_FORMAT = (FORMAT_NAME = 'ticklake.lake.parquet_file')
  MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE INCLUDE_METADATA = (file = METADATA$FILENAME);

CREATE PIPE IF NOT EXISTS ticklake.lake.bars_pipe AUTO_INGEST = TRUE AS
COPY INTO ticklake.lake.bars_files FROM @ticklake.lake.exports/bars/files/
  FILE_FORMAT = (FORMAT_NAME = 'ticklake.lake.parquet_file')
  MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE INCLUDE_METADATA = (file = METADATA$FILENAME);
