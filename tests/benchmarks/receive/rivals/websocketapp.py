"""websocket-client as its manual shows it: a callback a message, parsed, written as a line of a gzip file."""

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import websocket

SUBSCRIBE = '{"method":"SUBSCRIBE","params":["all"],"id":1}'
LEVEL = 4  # of the collector, so that the level is not what is compared; the file's own default is slower


def main() -> None:
    """Take so many frames."""
    port, wanted, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    left = wanted + 1  # the acknowledgement comes first
    folder.mkdir(parents=True)
    with gzip.open(folder / "lines.jsonl.gz", "wt", compresslevel=LEVEL, encoding="utf-8") as lines:

        def take(app: Any, text: str) -> None:  # noqa: ANN401 - the library has no types
            nonlocal left
            tree = json.loads(text)
            if "stream" in tree:
                lines.write(json.dumps({"recv_ns": time.time_ns(), "raw": tree}) + "\n")
            left -= 1
            if not left:
                app.close()

        app = websocket.WebSocketApp(f"ws://127.0.0.1:{port}/stream", on_open=lambda app: app.send(SUBSCRIBE), on_message=take)
        app.run_forever()


main()
