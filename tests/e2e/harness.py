# SPDX-License-Identifier: Apache-2.0
"""What the mounted runs share: a scene that starts servers and mounts, and takes everything away again however the run ends.

A Scene owns one folder below the build folder. Every process is a child (or, once its parent died, falls back to us: the scene is
a child subreaper), every mount lies below the folder, so clean-up finds them all without names. Use it as a context manager:

    with Scene("posix", build) as scene:
        cluster = scene.standalone()
        mount = scene.mount(cluster)
"""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36
TOKEN_ENV_NAMES = ("TOKEN", "THREEFS_TOKEN")


class Failure(Exception):
    """A run's own verdict: one sentence, no traceback needed."""


def wait_until(what: str, seconds: float, condition, alive=None):
    """Polls until the condition is true; says what it waited for when time is up or the process behind it ended."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if alive is not None and alive.poll() is not None:
            raise Failure(f"{what}: the process ended with code {alive.returncode}")
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)
    return result


def mounts_below(folder: pathlib.Path) -> list:
    """Mount points at or below the folder, deepest last mounted first."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4].encode().decode("unicode_escape")
        if point == str(folder) or point.startswith(f"{folder}/"):
            found.append(point)
    return found[::-1]


def is_mount(path) -> bool:
    return str(path) in mounts_below(pathlib.Path(path))


def descendants(pid: int) -> list:
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    result, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            result.append(child)
            queue.append(child)
    return result


def process_name(pid: int) -> str:
    """The program's file name, without the `(deleted)` of a rebuilt one."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    except OSError:
        return ""


def rss_kib(pid: int) -> int:
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cluster:
    """A running threefs-standalone, as its ready file tells."""

    def __init__(self, process, data: pathlib.Path, ready: dict):
        self.process, self.data, self.ready = process, data, ready
        self.cluster_id = ready["clusterId"]
        self.mgmtd = ready["mgmtd"]
        self.token_file = pathlib.Path(ready["tokenFile"]) if ready.get("tokenFile") else None

    def token(self) -> str:
        """The root token; empty when the cluster asks for none."""
        return self.token_file.read_text().strip() if self.token_file and self.token_file.exists() else ""

    def control(self, command: str, seconds: float = 30) -> str:
        """One line to the control socket; the answer without its closing `ok`."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(seconds)
            # A socket's path holds 107 bytes only: go through the folder's descriptor.
            folder = os.open(self.data, os.O_PATH)
            try:
                client.connect(f"/proc/self/fd/{folder}/control.sock")
                client.sendall(command.encode() + b"\n")
                text = b""
                while not (text.endswith(b"ok\n") or b"error:" in text):
                    chunk = client.recv(65536)
                    if not chunk:
                        break
                    text += chunk
            finally:
                os.close(folder)
        answer = text.decode().strip()
        if not answer.endswith("ok"):
            raise Failure(f"standalone refused '{command}': {answer}")
        return answer[:-2].strip()


class Mount:
    """A mounter run by hand (no keeper) and its mount point."""

    def __init__(self, process, point: pathlib.Path):
        self.process, self.point = process, point


class Csi:
    """threefs-keeper and threefs-csi with their sockets in the scene, and calls to them."""

    def __init__(self, scene: "Scene", cluster: Cluster):
        self.scene, self.cluster = scene, cluster
        self.keeper_socket, self.endpoint = scene.path("keeper.sock"), f"unix://{scene.path('csi.sock')}"
        self.keeper = self.service = None
        self.start_keeper()
        self.start_service()

    def start_keeper(self):
        self.keeper = self.scene.start("keeper", [self.scene.program("threefs-keeper"), "--socket", self.keeper_socket, "--state-dir",
                                                  self.scene.path("keeper-state"), "--mounter", self.scene.program("threefs-mounter")])
        wait_until("keeper ready", 10, self.keeper_socket.exists, self.keeper)

    def start_service(self):
        self.service = self.scene.start("csi", [self.scene.program("threefs-csi"), "--endpoint", self.endpoint, "--mode", "all", "--node-id",
                                                "node-1", "--keeper-socket", self.keeper_socket, "--state-dir",
                                                self.scene.path("csi-state"), "--threefsctl", self.scene.program("threefsctl")])
        wait_until("csi ready", 10, lambda: self.call("Probe", {}, check=False).returncode == 0, self.service)

    def call(self, method: str, request: dict, check=True, seconds=60):
        """A CSI call. With check: its answer as a dict, or Failure; without: the finished process (`CODE: sentence` in its text)."""
        done = self.scene.run([self.scene.program("threefs-csi-call"), "--endpoint", self.endpoint, method, json.dumps(request)],
                              seconds, check=False)
        if not check:
            return done
        if done.returncode != 0:
            raise Failure(f"{method}: {done.text.strip()}")
        return json.loads(done.text or "{}")

    def secrets(self) -> dict:
        token = self.cluster.token()
        return {"token": token} if token else {}

    CAPABILITY = {"mount": {"fs_type": "fuse.hf3fs"}, "access_mode": {"mode": "MULTI_NODE_MULTI_WRITER"}}

    def parameters(self, **more) -> dict:
        return {"clusterId": self.cluster.cluster_id, "mgmtdAddresses": ",".join(self.cluster.mgmtd), "basePath": "/volumes", **more}

    def create(self, name: str, size=1 << 30, **parameters) -> dict:
        answer = self.call("CreateVolume", {"name": name, "capacity_range": {"required_bytes": size}, "secrets": self.secrets(),
                                            "volume_capabilities": [self.CAPABILITY], "parameters": self.parameters(**parameters)})
        return answer["volume"]

    def delete(self, volume: dict):
        self.call("DeleteVolume", {"volume_id": volume["volume_id"], "secrets": self.secrets()}, seconds=120)

    def stage_request(self, volume: dict, staging) -> dict:
        return {"volume_id": volume["volume_id"], "staging_target_path": str(staging), "volume_capability": self.CAPABILITY,
                "secrets": self.secrets(), "volume_context": volume.get("volume_context", {})}

    def stage(self, volume: dict, name="staging") -> pathlib.Path:
        staging = self.scene.path(name)
        staging.mkdir(exist_ok=True)
        self.call("NodeStageVolume", self.stage_request(volume, staging))
        return staging

    def unstage(self, volume: dict, staging):
        self.call("NodeUnstageVolume", {"volume_id": volume["volume_id"], "staging_target_path": str(staging)})

    def publish_request(self, volume: dict, staging, target, readonly=False) -> dict:
        return {**self.stage_request(volume, staging), "target_path": str(target), "readonly": readonly}

    def publish(self, volume: dict, staging, name: str, readonly=False) -> pathlib.Path:
        target = self.scene.path(name)
        self.call("NodePublishVolume", self.publish_request(volume, staging, target, readonly))
        return target

    def unpublish(self, volume: dict, target):
        self.call("NodeUnpublishVolume", {"volume_id": volume["volume_id"], "target_path": str(target)})

    def mounters(self) -> list:
        """Process ids of the mounters that live."""
        return [pid for pid in descendants(os.getpid()) if process_name(pid) == "threefs-mounter"]

    def kill_mounter(self) -> int:
        """SIGKILL to the one mounter; returns when its successor is there."""
        (old,) = self.mounters()
        os.kill(old, signal.SIGKILL)
        wait_until("a new mounter after the kill", 20, lambda: [p for p in self.mounters() if p != old])
        return old

    def stop(self):
        self.scene.stop(self.service)
        self.scene.stop(self.keeper)


class Scene:
    def __init__(self, name: str, build):
        self.build = pathlib.Path(build).resolve()
        self.folder = self.build / "e2e" / f"{name}.{os.getpid()}"
        self.processes = []
        self.clean = False

    def __enter__(self):
        if os.getuid() != 0:
            raise SystemExit("mounted runs need root: use sudo")
        if not os.path.exists("/dev/fuse"):
            raise SystemExit("mounted runs need /dev/fuse: load the kernel module fuse, or give the container the device")
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.interrupted)
        return self

    def interrupted(self, number, _frame):
        raise Failure(f"stopped by {signal.Signals(number).name}")

    def __exit__(self, kind, error, trace):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if kind is not None:
            self.show_logs()
        leftovers = self.clean_up()
        if kind is None and leftovers:
            raise Failure("left behind: " + ", ".join(leftovers))
        return False

    def program(self, name: str) -> str:
        for folder in ("bin", "tests"):
            path = self.build / folder / name
            if path.exists():
                return str(path)
        raise Failure(f"{name} is not built in {self.build}: run make build")

    def path(self, name: str) -> pathlib.Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def start(self, name: str, command: list, **kwargs) -> subprocess.Popen:
        """Starts a server of this scene; its output goes to <scene>/logs/<name>.log."""
        log = self.path(f"logs/{name}.log")
        with open(log, "ab") as output:
            process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       start_new_session=True, **kwargs)
        process.name = name
        self.processes.append(process)
        return process

    def standalone(self, name="cluster", nodes=3, replicas=3, targets=2, cluster_id="demo", data=None, extra=(), auth=True,
                   seconds=30) -> Cluster:
        """auth=False: uids are believed as sent (3FS's default); with authentication a root token acts for users the cluster knows."""
        data = pathlib.Path(data) if data else self.path(name)
        data.mkdir(exist_ok=True)
        ready = self.path(f"{name}.ready")
        ready.unlink(missing_ok=True)
        process = self.start(name, [self.program("threefs-standalone"), "--data", data, "--cluster-id", cluster_id, "--nodes", nodes,
                                    "--replicas", replicas, "--targets", targets, "--ready-file", ready, *([] if auth else ["--no-auth"]), *extra])
        wait_until(f"{name} ready", seconds, ready.exists, process)
        return Cluster(process, data, json.loads(ready.read_text()))

    def mounter_yaml(self, cluster: Cluster, **settings) -> str:
        values = {"cluster_id": cluster.cluster_id, "mgmtd_addresses": list(cluster.mgmtd)}
        if cluster.token():
            values["token_file"] = str(cluster.token_file)
        values.update(settings)
        return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())

    def mount_yaml(self, name: str, text: str, seconds=20) -> Mount:
        point = self.path(name)
        point.mkdir(exist_ok=True)
        config = self.path(f"{name}.yaml")
        config.write_text(text)
        process = self.start(f"mounter-{name}", [self.program("threefs-mounter"), "--config", config, "--mountpoint", point])
        wait_until(f"mount {name}", seconds, lambda: is_mount(point), process)
        wait_until(f"mount {name} answers", seconds, lambda: os.stat(point).st_ino >= 1, process)
        return Mount(process, point)

    def mount(self, cluster: Cluster, name="mnt", **settings) -> Mount:
        return self.mount_yaml(name, self.mounter_yaml(cluster, **settings))

    def csi(self, cluster: Cluster) -> "Csi":
        return Csi(self, cluster)

    def unmount(self, mount: Mount, seconds=20):
        subprocess.run(["umount", str(mount.point)], check=True, timeout=seconds, stdin=subprocess.DEVNULL)
        self.wait_end(mount.process, seconds)

    def wait_end(self, process, seconds=20):
        """The process must end by itself, with code 0."""
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{process.name} did not end within {seconds} s") from None
        if code != 0:
            raise Failure(f"{process.name} ended with code {code}")

    def stop(self, process, seconds=30):
        process.terminate()
        self.wait_end(process, seconds)

    def run(self, command: list, seconds=300, check=True, **kwargs):
        """Runs a command to its end; on failure its last output is in the error."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        try:
            done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=seconds, check=False, **kwargs)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(map(str, command))[:120]}: not done within {seconds} s") from None
        done.text = done.stdout.decode(errors="replace")
        if check and done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))[:200]}: exit {done.returncode}\n{done.text[-3000:]}")
        return done

    def show_logs(self, lines=25):
        for log in sorted((self.folder / "logs").glob("*.log")) if (self.folder / "logs").is_dir() else ():
            text = log.read_text(errors="replace").splitlines()[-lines:]
            if text:
                print(f"-- {log.name}", *text, sep="\n   ", file=sys.stderr, flush=True)

    def clean_up(self) -> list:
        """Takes away mounts, processes and the folder, in that order. Returns what had to be forced."""
        forced = []
        deadline = time.monotonic() + 20
        for process in reversed(self.processes):  # servers end by themselves first, so that leaks show
            if process.poll() is None:
                process.terminate()
        while any(p.poll() is None for p in self.processes) and time.monotonic() < deadline:
            for point in mounts_below(self.folder):
                subprocess.run(["umount", "-l", point], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20)
            time.sleep(0.05)
        for point in mounts_below(self.folder):
            subprocess.run(["umount", "-l", point], check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20)
        for pid in descendants(os.getpid()):
            name = process_name(pid)
            try:
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
                if state != "Z":
                    forced.append(f"process {name} ({pid})")
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.reap()
        still = mounts_below(self.folder)
        if still:
            forced += [f"mount {point}" for point in still]
        else:
            subprocess.run(["chattr", "-R", "-i", str(self.folder)], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=60)
            if os.environ.get("THREEFS_KEEP") != "1":
                shutil.rmtree(self.folder, ignore_errors=True)
                if self.folder.exists():
                    forced.append(f"folder {self.folder}")
        return forced

    def reap(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                time.sleep(0.02)


class Fio:
    """One fio run: its rates, latencies and verification errors."""

    def __init__(self, scene: Scene, name: str, folder, seconds=300, **options):
        settings = {"name": name, "directory": folder, "group_reporting": True, "output-format": "json", "ioengine": "libaio"}
        settings.update(options)
        command = ["fio"]
        for key, value in settings.items():
            key = key.replace("_", "-") if key in ("output_format",) else key
            command.append(f"--{key}" if value is True else f"--{key}={value}")
        self.command, self.seconds, self.scene = command, seconds, scene

    def run(self) -> dict:
        done = self.scene.run(self.command, self.seconds, cwd=str(self.scene.folder))
        return self.parse(done.text)

    def start(self):
        """Runs beside us; finish() gives the result."""
        self.output = self.scene.path(f"fio.{id(self)}.json")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([str(c) for c in self.command], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, cwd=str(self.scene.folder))
        return self

    def finish(self) -> dict:
        try:
            code = self.process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"fio did not end within {self.seconds} s") from None
        text = self.output.read_text(errors="replace")
        if code != 0:
            raise Failure(f"fio ended with {code}: {text[:200]} ... {text[-1500:]}")
        return self.parse(text)

    @staticmethod
    def parse(text: str) -> dict:
        job = json.loads(text[text.index("{"):text.rindex("}") + 1])["jobs"][0]
        if job["error"] != 0:
            raise Failure(f"fio reports error {job['error']}")
        result = {}
        for side in ("read", "write"):
            part = job[side]
            if part["total_ios"] == 0:
                continue
            percentiles = part.get("clat_ns", {}).get("percentile", {})
            result[side] = {"mib": part["bw_bytes"] / (1 << 20), "iops": part["iops"], "ios": part["total_ios"],
                            "p50": percentiles.get("50.000000", 0) / 1000, "p99": percentiles.get("99.000000", 0) / 1000}
        return result


def main(function, *args) -> int:
    """Runs a script's body; a Failure is one line and exit code 1."""
    try:
        return function(*args) or 0
    except Failure as failure:
        print(f"FAILED: {failure}", flush=True)
        return 1
