"""A service for tests of the local world: healthy at once, and says what environment it was given."""

import http.server
import json
import os
import sys
from pathlib import Path


class Health(http.server.BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


if __name__ == "__main__":
    environment = dict(os.environ)  # noqa: TID251 — telling it is what this is for
    told = Path(sys.argv[1], f"{environment['AWS_REGION']}.json")
    begun = told.with_suffix(".begun")  # it may be read while the service starts again
    begun.write_text(json.dumps(environment))
    begun.replace(told)
    http.server.HTTPServer(("127.0.0.1", int(environment["BATON_RUNNER_HEALTH_PORT"])), Health).serve_forever()
