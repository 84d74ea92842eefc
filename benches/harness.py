"""What benches/run and benches/compare-builds share: building, the simulated Zoom, and rollcall as a process."""

import base64
import contextlib
import datetime
import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent


def build(**programs):
    """Builds `rollcall` and `simulator` where their paths are not given; answers with those."""
    if not all(programs.values()):
        command = ["cargo", "build", "--release", "--locked", "--bins", "--bench", "simulator", "--message-format=json"]
        built = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        messages = [json.loads(line) for line in built.splitlines()]
        made = {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}
        programs = {name: given or made[name] for name, given in programs.items()}
    return programs


class Simulator:
    """The simulated Zoom in a process of its own."""

    def __init__(self, program, **arguments):
        command = [program, *(f"{name}={value}" for name, value in arguments.items())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.told = json.loads(self.process.stdout.readline())

    def asked(self, doing=""):
        """What was asked of it so far, after doing something to its world."""
        self.process.stdin.write(f"{doing}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def config(self, folder, meetings=None, **rates):
        """A config that points rollcall here; without rates it goes as fast as it can."""
        told = self.told
        rates = rates or {"heavy_per_second": 10000, "medium_per_second": 10000, "light_per_second": 10000}
        path = folder / "config.toml"
        path.write_text(
            f"meetings = {meetings or told['meetings']}\n"
            f"[database]\npath = \"rollcall.db\"\n"
            f"[zoom]\ntoken_url = \"{told['token_url']}\"\napi_url = \"{told['api_url']}\"\ndaily_share = 1\n"
            + "".join(f"{key} = \"{told[key]}\"\n" for key in ("account_id", "client_id", "client_secret"))
            + "[zoom.rate]\n"
            + "".join(f"{label} = {rate}\n" for label, rate in rates.items())
            + "[collection]\nlookback = \"120d\"\n"
        )
        path.chmod(0o600)
        return path

    def get(self, path, **parameters):
        url = f"{self.told['api_url']}{path}?{urllib.parse.urlencode(parameters)}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token()}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def token(self):
        if not hasattr(self, "access_token"):
            form = {"grant_type": "account_credentials", "account_id": self.told["account_id"]}
            secret = f"{self.told['client_id']}:{self.told['client_secret']}".encode()
            headers = {"Authorization": f"Basic {base64.b64encode(secret).decode()}"}
            data = urllib.parse.urlencode(form).encode()
            request = urllib.request.Request(self.told["token_url"], data=data, headers=headers)
            with urllib.request.urlopen(request) as answer:
                self.access_token = json.load(answer)["access_token"]
        return self.access_token

    def rows(self):
        """Every participant row of every instance, as Zoom's JSON has it."""
        for meeting in self.told["meetings"]:
            for instance in self.get(f"/past_meetings/{meeting}/instances")["meetings"]:
                uuid = instance["uuid"]
                key = urllib.parse.quote(uuid, safe="")
                if uuid.startswith("/") or "//" in uuid:
                    key = urllib.parse.quote(key, safe="")
                token = ""
                while True:
                    page = self.get(f"/metrics/meetings/{key}/participants", type="past", page_size=300,
                                    **({"next_page_token": token} if token else {}))
                    for row in page["participants"]:
                        yield {"instance_uuid": uuid, **row}
                    token = page["next_page_token"]
                    if not token:
                        break


class Cost:
    """What a process took: seconds of CPU and of time, the most memory that it held, how often it was switched."""

    def __init__(self, command, **options):
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} failed with {process.returncode}")
        self.seconds = time.monotonic() - began
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mib = usage.ru_maxrss / 1024
        self.switches = usage.ru_nvcsw + usage.ru_nivcsw


def collect(program, config, *command, log="warn", under=(), **options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
    command = [*under, program, *(command or ["collect"]), "--config", str(config)]
    return Cost(command, env={**environment, "ROLLCALL_LOG": log}, **options)


def collect_again(program, config):
    """Every instance is read again, also what is settled."""
    return collect(program, config, "backfill", "--from", str(datetime.date.today() - datetime.timedelta(120)), "--force")


def shell(database, script):
    return subprocess.run(["sqlite3", str(database)], input=script, check=True, text=True, capture_output=True).stdout


def scalar(database, query):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchone()[0]


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-") as name:
        yield pathlib.Path(name)
