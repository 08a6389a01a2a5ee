-- Written by `make docs`. &{lake} is the lake's place, such as s3://bucket/prefix; &{role} the role that may read it.
CREATE STORAGE INTEGRATION IF NOT EXISTS ticklake
  TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = '&{role}' STORAGE_ALLOWED_LOCATIONS = ('&{lake}/exports/snowflake/');
CREATE FILE FORMAT IF NOT EXISTS ticklake.lake.parquet_file TYPE = PARQUET USE_LOGICAL_TYPE = TRUE;
CREATE STAGE IF NOT EXISTS ticklake.lake.exports
  URL = '&{lake}/exports/snowflake/' STORAGE_INTEGRATION = ticklake
  FILE_FORMAT = (FORMAT_NAME = 'ticklake.lake.parquet_file');
