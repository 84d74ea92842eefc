#!/usr/bin/env python3
"""What a user would write in the place of rollcall, to measure rollcall against.

    script.py JSON DATABASE

Every instance of every meeting, page by page, one upsert a row into one flat table, one commit an instance. JSON
tells `meetings`, `api_url`, `token_url`, `account_id`, `client_id` and `client_secret`. Nothing is told apart,
withdrawn, retried, paced or worked out.
"""

import json
import sqlite3
import sys
from urllib.parse import quote

import requests

told, database = json.loads(sys.argv[1]), sqlite3.connect(sys.argv[2])
http = requests.Session()
answer = http.post(
    told["token_url"],
    data={"grant_type": "account_credentials", "account_id": told["account_id"]},
    auth=(told["client_id"], told["client_secret"]),
)
answer.raise_for_status()
http.headers["Authorization"] = "Bearer " + answer.json()["access_token"]


def get(path, **parameters):
    answer = http.get(told["api_url"] + path, params=parameters)
    answer.raise_for_status()
    return answer.json()


def participants(uuid):
    key = quote(uuid, safe="")
    if uuid.startswith("/") or "//" in uuid:
        key = quote(key, safe="")
    parameters = {"type": "past", "page_size": 300}
    while True:
        page = get(f"/metrics/meetings/{key}/participants", **parameters)
        yield from page["participants"]
        if not page["next_page_token"]:
            return
        parameters["next_page_token"] = page["next_page_token"]


columns = []
for meeting in told["meetings"]:
    for instance in get(f"/past_meetings/{meeting}/instances")["meetings"]:
        for row in participants(instance["uuid"]):
            row["instance_uuid"] = instance["uuid"]
            if not columns:
                columns = list(row)
                database.execute(
                    f"CREATE TABLE IF NOT EXISTS participants ({', '.join(columns)}, "
                    "PRIMARY KEY (instance_uuid, user_id, join_time))"
                )
                upsert = (
                    f"INSERT INTO participants VALUES ({', '.join('?' * len(columns))}) "
                    "ON CONFLICT (instance_uuid, user_id, join_time) DO UPDATE SET "
                    + ", ".join(f"{column} = excluded.{column}" for column in columns)
                )
            values = [json.dumps(value) if isinstance(value, list) else value for value in map(row.get, columns)]
            database.execute(upsert, values)
        database.commit()
