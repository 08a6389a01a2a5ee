"""What Redshift and Snowflake are told: the committed scripts are what the tables say."""

from jobs.exports import redshift, snowflake
from jobs.exports.files import SUFFIX
from jobs.exports.layouts import LAYOUTS
from jobs.tables import TABLES
from tests.support.project import HOME


def test_the_committed_scripts_are_what_the_tables_say():
    folder = HOME / "conf/snowflake"
    assert {path.name: path.read_text() for path in folder.iterdir()} == snowflake.scripts(), "`make docs` writes them again"
    assert (HOME / "conf/redshift/exports.sql").read_text() == redshift.script(), "`make docs` writes it again"


def test_redshift_has_the_columns_of_the_files_in_their_order():
    told = {"STRING": "VARCHAR(256)", "INT": "INTEGER"}
    for name in LAYOUTS["redshift"].forms:
        body = redshift.script().partition(f'ticklake_exports."{name}" (\n')[2].partition("\n);")[0]
        columns = [tuple(line.strip().rstrip(",").split(" ")) for line in body.splitlines()]
        assert columns == [
            (f'"{column.name}"', "VARCHAR(1024)" if column.name == "object" else told.get(column.type, column.type))
            for column in TABLES[name].columns
        ]


def test_each_exported_table_has_all_its_columns_and_the_file():
    script = snowflake.scripts()["3_tables.sql"]
    assert script.count("CREATE TABLE") == len(LAYOUTS["snowflake"].forms)
    for name in LAYOUTS["snowflake"].forms:
        _, _, rest = script.partition(f"ticklake.lake.{name}_files (\n")
        body = rest.partition("\n)\n")[0]
        found = [tuple(line.strip().split(" ", 2)[:2]) for line in body.splitlines()]
        assert found[:-1] == [(f'"{column.name.upper()}"', snowflake.type_of(column.type)) for column in TABLES[name].columns]
        assert found[-1] == ('"FILE"', "VARCHAR")


def test_moments_have_a_zone_and_numbers_all_their_digits():
    told = {type_: snowflake.type_of(type_) for type_ in ("TIMESTAMP", "DECIMAL(38,18)", "BIGINT", "INT", "STRING", "BOOLEAN")}
    assert told == {
        "TIMESTAMP": "TIMESTAMP_LTZ(6)",
        "DECIMAL(38,18)": "NUMBER(38,18)",
        "BIGINT": "NUMBER(19,0)",
        "INT": "NUMBER(10,0)",
        "STRING": "VARCHAR",
        "BOOLEAN": "BOOLEAN",
    }


def test_what_ends_a_file_s_name_is_as_long_as_the_view_takes_it():
    assert len(".000012.0123456789ab.parquet") == SUFFIX
