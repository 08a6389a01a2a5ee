"""The zip that jobs run from: our two packages and the pure-Python half of PyYAML. The same sources give the same bytes."""

import configparser
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
OURS = ("ingest", "jobs")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name; a build's own time would change its bytes


def version(setup_cfg: str) -> str:
    """The project's version."""
    parser = configparser.ConfigParser()
    parser.read_string(setup_cfg)
    return parser["metadata"]["version"]


def members(home: Path, yaml: Path) -> dict[str, Path]:
    """Name in the zip -> file."""
    found = {path.relative_to(home).as_posix(): path for package in OURS for path in (home / package).rglob("*.py")}
    return found | {f"yaml/{path.name}": path for path in yaml.glob("*.py")}


def zipped(members: Mapping[str, Path]) -> bytes:
    """The zip."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(members.items()):
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, path.read_bytes())
    return written.getvalue()


def put(data: bytes, target: Path) -> None:
    """Write the file, unless it is so already; whoever reads it sees the old one or the new one, whole.

    Compared by content: times lie where somebody copied or unpacked an older source over a newer one.
    """
    if target.exists() and target.read_bytes() == data:
        return
    target.parent.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def main() -> int:
    """Build the zip where it is missing or not what its sources are; print its path."""
    import yaml  # noqa: PLC0415 - its files are what goes into the zip

    target = HOME / "dist" / f"ticklake-{version((HOME / 'setup.cfg').read_text(encoding='utf-8'))}.zip"
    put(zipped(members(HOME, Path(yaml.__file__).parent)), target)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
