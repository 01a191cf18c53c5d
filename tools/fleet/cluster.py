#!/usr/bin/env python3
"""A Spark standalone cluster on this machine, for as long as one command runs.

    tools/fleet/cluster.py --workers 2 --memory 1g -- tools/fleet/report.py --lake DIR -g host,event

Starts a master and workers through bin/spark-class of the pyspark that this Python has, on free ports of the loopback
interface, gives the command SPARK_MASTER (and MASTER, which pyspark reads), and ends all of them with the command, also
when this program is killed. For tests and trials; a fleet's cluster runs on hosts of its own (README.md).
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

LOOPBACK = "127.0.0.1"
PR_SET_PDEATHSIG = 1


def free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spark_home():
    import pyspark

    return pathlib.Path(pyspark.__file__).parent


@contextlib.contextmanager
def cluster(workers=2, memory="1g", cores=1, limit_s=180):
    """Yields the master's URL once all workers are registered; everything has ended afterwards."""
    master_port, master_page = free_port(), free_port()
    url = f"spark://{LOOPBACK}:{master_port}"
    started = []
    with tempfile.TemporaryDirectory(prefix="sgascope-spark-") as directory:
        environment = os.environ | {
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_MASTER_HOST": LOOPBACK,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_LOCAL_DIRS": directory,
            "SPARK_WORKER_DIR": directory,
            "PYSPARK_PYTHON": sys.executable,
        }
        # what another cluster's user set must not lead there
        for name in ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_MASTER_PORT", "MASTER"):
            environment.pop(name, None)

        def start(name, *arguments):
            log = open(pathlib.Path(directory, f"{name}.log"), "wb")
            command = [spark_home() / "bin" / "spark-class", *map(str, arguments)]
            # spark-class replaces itself by the JVM, so this is the daemon's own pid
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
            started.append((name, process))

        try:
            start("master", "org.apache.spark.deploy.master.Master", "--host", LOOPBACK, "--port", master_port, "--webui-port", master_page)
            page = f"http://{LOOPBACK}:{master_page}/json/"
            wait(lambda: alive_workers(page) == 0, started, directory, limit_s)
            for number in range(workers):
                start(f"worker{number}", "org.apache.spark.deploy.worker.Worker", "--host", LOOPBACK, "--webui-port", free_port(),
                      "--cores", cores, "--memory", memory, url)
            wait(lambda: alive_workers(page) == workers, started, directory, limit_s)
            yield url
        finally:
            # workers end their executors on SIGTERM
            for _, process in reversed(started):
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def alive_workers(page):
    """Workers that the master counts; None while it doesn't answer."""
    try:
        with urllib.request.urlopen(page, timeout=5) as answer:
            return json.load(answer)["aliveworkers"]
    except (OSError, ValueError):
        return None


def wait(holds, started, directory, limit_s):
    end = time.monotonic() + limit_s
    while not holds():
        dead = [name for name, process in started if process.poll() is not None]
        if dead or time.monotonic() > end:
            what = f"{dead[0]} ended" if dead else f"the cluster wasn't up within {limit_s} s"
            logs = "\n".join(pathlib.Path(directory, f"{name}.log").read_text(errors="replace")[-2000:] for name in dead or ["master"])
            raise RuntimeError(f"{what}; java 17 or later is needed. Its log:\n{logs}")
        time.sleep(0.1)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", default="1g", help="of each worker, for executors")
    parser.add_argument("--cores", type=int, default=1, help="of each worker")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args(argv)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        parser.error("no command")
    # a signal ends the command and then the cluster, by the way of an exception
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    with cluster(args.workers, args.memory, args.cores) as url:
        environment = os.environ | {"SPARK_MASTER": url, "MASTER": url, "SPARK_LOCAL_IP": LOOPBACK}
        process = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent)
        try:
            return process.wait()
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
