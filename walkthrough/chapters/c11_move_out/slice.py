"""Chapter 11: users is another process. Billing knows only its address and a token."""

import json
import sqlite3
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

BILLING = "CREATE TABLE known_user (user_id INTEGER PRIMARY KEY, status TEXT, version INTEGER);"
TOKEN = "Bearer billing-at-users"


def database(schema):
    made = sqlite3.connect(":memory:")
    made.executescript(schema)
    return made


class Users(BaseHTTPRequestHandler):  # (1)
    rows = ((1, "suspended", 2), (2, "active", 1))

    def do_GET(self):
        allowed = self.headers["Authorization"] == TOKEN  # (2)
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(json.dumps(self.rows if allowed else []).encode())


def serve():
    server = HTTPServer(("127.0.0.1", 0), Users)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def pull(db, address, token):
    with urlopen(Request(address, headers={"Authorization": token}), timeout=5) as answer:
        rows = json.load(answer)
    with db:
        return db.executemany("REPLACE INTO known_user VALUES (?, ?, ?)", rows).rowcount


def main():
    billing, program = database(BILLING), [sys.executable, __file__, "serve"]
    users = subprocess.Popen(program, stdout=-1, stderr=-3, text=True)  # (3)
    address = users.stdout.readline().strip()
    try:
        pull(billing, address, "Bearer guessed")
    except HTTPError as error:
        refused = error.code
    pulled = pull(billing, address, TOKEN)
    users.kill()
    users.communicate()
    copy = billing.execute("SELECT * FROM known_user").fetchall()  # (4)
    return {"refused": refused, "pulled": pulled, "copy": copy}


if __name__ == "__main__":
    serve() if sys.argv[1:] else print(main())
