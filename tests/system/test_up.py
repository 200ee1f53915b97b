"""`bitpredict up`: what it serves while it runs, and that nothing is left of it afterwards."""

import fcntl
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from urllib.request import urlopen

import dagster as dg
import psutil
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData
from dagster._core.storage.tags import GRPC_INFO_TAG

from bitpredict.errors import BitPredictError
from bitpredict.market.time import MINUTE
from bitpredict.settings import Settings
from bitpredict.streaming.messages import Prediction, decode_prediction
from bitpredict.streaming.open_log import open_event_log
from bitpredict_assets.dead_runs import living
from bitpredict_assets.instance import prepare_dagster_home
from bitpredict_assets.supervisor import ENDING, supervise
from tests.support.commands import Finished, command_line, ended, started, wait_for
from tests.support.dagster_web import DagsterWeb
from tests.support.homes import Home
from tests.support.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SERVICES = {
    *("dagster api grpc", "dagster_webserver", "dagster._daemon", "streamlit run"),
    *("bitpredict collect", "bitpredict predict"),
}
END_SECONDS = 60
TODAY = datetime.now(UTC).date()
DAYS = [f"{TODAY - timedelta(days=ago)}" for ago in (4, 3, 2)]
"""Not yesterday: until five past midnight the tick of `today` that is due is still of that day."""


@dataclass(frozen=True)
class Up:
    """A running `bitpredict up`."""

    process: "Popen[str]"
    home: Home
    web: DagsterWeb
    dashboard: str
    lane: tuple[str, str]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def services(self) -> set[str]:
        """Which of the services run."""
        lines = [command_line(child) for child in self.family()]
        return {service for service in SERVICES if any(f"-m {service}" in line for line in lines)}

    def end_by(self, number: int) -> Finished:
        """Send a signal; the command and all of its family must be gone in time."""
        family = self.family()
        assert family
        self.process.send_signal(number)
        done = ended(self.process, END_SECONDS)
        _, alive = psutil.wait_procs(family, timeout=END_SECONDS)
        assert not alive, [command_line(child) for child in alive]
        return done


@contextmanager
def brought_up(folder: Path, home: Path | None = None, **settings: object) -> Iterator[Up]:
    """`bitpredict up` of a simulated market, on free ports, from its first moment."""
    web, dashboard, collector, predictor = free_ports(4)
    everything = {
        "BITPREDICT_HOME": home or folder / "home",
        "BITPREDICT_MARKET": "simulated",
        "BITPREDICT_START": DAYS[0],
        "BITPREDICT_SYMBOLS": "BTCUSDT",
        "BITPREDICT_WEBSERVER_PORT": web,
        "BITPREDICT_DASHBOARD_PORT": dashboard,
        "BITPREDICT_COLLECTOR_PORT": collector,
        "BITPREDICT_PREDICTOR_PORT": predictor,
        **settings,
    }
    with started("up", cwd=folder, **everything) as process:
        addresses = [f"http://127.0.0.1:{port}" for port in (web, dashboard, collector, predictor)]
        home = Home(Path(str(everything["BITPREDICT_HOME"])))
        yield Up(process, home, DagsterWeb(addresses[0]), addresses[1], (addresses[2], addresses[3]))


def answers(url: str) -> Callable[[], bool]:
    def look() -> bool:
        try:
            with urlopen(url, timeout=10) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.2)
            return False

    return look


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that is wholly up, in a home where the schedule `today` was started six minutes ago."""
    folder = tmp_path_factory.mktemp("up")
    dagster_home = prepare_dagster_home(Settings(home=folder / "home"))
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        instance.add_instigator_state(started_six_minutes_ago("today_schedule"))
    with brought_up(folder) as running:
        wait_for(answers(f"{running.web.url}/server_info"), running.process)
        wait_for(answers(f"{running.dashboard}/_stcore/health"), running.process)
        wait_for(lambda: running.services() == SERVICES, running.process)
        yield running


def started_six_minutes_ago(schedule: str) -> InstigatorState:
    """Written before the daemon looks for the first time: later it remembers when to look again."""
    location = GrpcServerCodeLocationOrigin("127.0.0.1", 1, location_name="bitpredict")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), schedule)
    since = ScheduleInstigatorData("*/5 * * * *", start_timestamp=time.time() - 360)
    return InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, since)


@pytest.fixture(scope="module")
def instance(up: Up) -> Iterator[dg.DagsterInstance]:
    """Its instance, read beside it."""
    with dg.DagsterInstance.from_config(str(up.home.path / "dagster")) as instance:
        yield instance


@pytest.fixture(scope="module")
def backfill(up: Up) -> str:
    """A backfill of the first two days, asked for when everything is up: the daemon takes its time."""
    return up.web.launch_backfill(["binance_candles", "candles", "price_features", "feature_table"], DAYS[:2])


@pytest.mark.usefixtures("backfill")
def test_every_service_runs_and_the_location_is_loaded(up):
    assert up.services() == SERVICES
    location = up.web.location_loaded()
    assert (location["name"], location["loaded"]) == ("bitpredict", ("LOADED", "RepositoryLocation"))
    assert set(location["assets"].values()) >= {"prices", "features", "models", "forecasts", "platform"}
    assert {"binance_candles", "feature_table", "models", "batch_forecasts", "scorecard"} <= set(location["assets"])


def test_the_dashboard_is_served(up):
    with urlopen(up.dashboard, timeout=30) as page:  # noqa: S310
        assert "streamlit" in page.read().decode().lower()


def test_the_live_lane_forecasts(up):
    """Trades of the simulator, labelled so, are forecast within seconds."""
    for address in up.lane:
        wait_for(answers(f"{address}/healthz"), up.process)
        wait_for(answers(f"{address}/readyz"), up.process)
    with open_event_log(Settings(home=up.home.path)) as log:

        def newest() -> list[Prediction]:
            state = log.topic("predictions")
            found = [log.read("predictions", number, max(0, end - 1)) for number, end in state.end.items()]
            return [decode_prediction(records[-1].value) for records in found if records]

        wait_for(lambda: bool(newest()) or time.sleep(0.2), up.process)
        (made, *_) = newest()
    assert (made.exchange, made.horizon, made.provenance) == ("simulated", "1m", "simulated")
    assert made.origin.microsecond == 0


def test_a_due_tick_of_today_launches_a_run_that_succeeds(up, instance):
    """One tick at least was due when everything came up."""
    (state,) = (state for state in instance.all_instigator_state() if state.instigator_name == "today_schedule")

    def ticks() -> list[dg._core.scheduler.instigation.InstigatorTick]:
        time.sleep(0.2)
        return [tick for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id) if tick.run_ids]

    wait_for(lambda: bool(ticks()), up.process)
    tick = ticks()[-1]
    (run_id,) = tick.run_ids
    wait_for(lambda: finished(instance, run_id), up.process, 600)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert (run.job_name, run.status) == ("today", dg.DagsterRunStatus.SUCCESS)
    moment = datetime.fromtimestamp(tick.timestamp, UTC) - MINUTE
    assert run.tags["dagster/partition"] == f"{moment.date()}"
    assert run.tags["dagster/partition"] in up.home.days("candles")
    assert run.tags["dagster/partition"] in up.home.days("feature_table")


def test_a_run_killed_beside_it_is_marked_and_leaves_its_pools(up, instance):
    """As by a backfill in another terminal that is killed."""
    with living(up.home.path / "dagster") as tags:
        run = instance.create_run_for_job(_anything, tags=dict(tags), status=dg.DagsterRunStatus.STARTED)
        instance.event_log_storage.initialize_concurrency_limit_to_default("a_pool")
        instance.event_log_storage.claim_concurrency_slot("a_pool", run.run_id, "a_step")
    wait_for(lambda: finished(instance, run.run_id), up.process)
    wait_for(lambda: run.run_id not in instance.event_log_storage.get_concurrency_run_ids(), up.process)


def test_a_backfill_runs_each_asset_once_and_stores_nothing_beyond_its_days(up, instance, backfill):
    wait_for(lambda: up.web.backfill_status(backfill).startswith("COMPLETED") or time.sleep(0.5), up.process, 600)
    assert up.web.backfill_status(backfill) == "COMPLETED_SUCCESS"
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))
    made = {
        asset: {
            run.run_id
            for run in runs
            for made in instance.fetch_materializations(
                dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=DAYS[:2]), limit=100
            ).records
            if made.run_id == run.run_id
        }
        for asset in ("binance_candles", "candles", "price_features", "feature_table")
    }
    assert {asset: len(by) for asset, by in made.items()} == dict.fromkeys(made, 1)
    for asset in made:
        days = up.home.days(asset)
        assert days[:2] == DAYS[:2], asset
        assert DAYS[2] not in days, asset


def test_ctrl_c_ends_every_service_and_the_run_that_is_on(up, instance):
    run_id = up.web.launch_run("prices_and_features", DAYS[0], DAYS[2])
    wait_for(lambda: status(instance, run_id) == dg.DagsterRunStatus.STARTED, up.process)
    done = up.end_by(signal.SIGINT)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-2:] == ["ending …", "all ended"]
    assert status(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_a_service_manager_ends_it_while_it_starts(tmp_path):
    with brought_up(tmp_path) as starting:
        wait_for(lambda: "dagster api grpc" in starting.services(), starting.process)
        done = starting.end_by(signal.SIGTERM)
    assert (done.code, done.err) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_services_do_not_outlive_a_killed_supervisor(tmp_path):
    with brought_up(tmp_path) as starting:
        wait_for(lambda: "dagster api grpc" in starting.services(), starting.process)
        family = starting.family()
        starting.process.kill()
        _, alive = psutil.wait_procs(family, timeout=END_SECONDS)
        assert not alive


KILLED_WHILE_IT_STARTS_ONE = """
import os, signal, time
from pathlib import Path
import bitpredict_assets.service as module

def late(*given, real=module._end_with_the_supervisor):
    os.kill(os.getppid(), signal.SIGKILL)
    while os.getppid() == given[0]:
        time.sleep(0.01)
    real(*given)

module._end_with_the_supervisor = late
module.Service("any", ["touch", "it-ran"], Path("any.log")).start(dict(os.environ))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_a_service_that_is_being_started_does_not_outlive_a_killed_supervisor_either(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_STARTS_ONE], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    time.sleep(0.5)
    assert not (tmp_path / "it-ran").exists()


def test_a_service_that_dies_ends_all_and_shows_the_end_of_its_log(tmp_path):
    with brought_up(tmp_path) as starting:
        wait_for(lambda: "dagster api grpc" in starting.services(), starting.process)
        family = starting.family()
        (server,) = (child for child in family if "dagster api grpc" in command_line(child))
        server.suspend()  # what it would log in between would be the end of its log
        (starting.home.path / "logs" / "code-server.log").write_text("it began\nand met its end\n")
        server.kill()
        error = ended(starting.process, END_SECONDS).one_error()
        _, alive = psutil.wait_procs(family, timeout=END_SECONDS)
        assert not alive
    assert "code server ended with -9" in error
    assert "code-server.log: it began / and met its end" in error


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings to bring up in this process, which must refuse it."""
    (tmp_path / "dagster").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return Settings()


def test_a_taken_port_is_an_error_and_nothing_is_started(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BitPredictError, match=rf"port {port} \(dashboard\) is taken; .* BITPREDICT_DASHBOARD_PORT"):
            supervise(settings.model_copy(update={"dashboard_port": port}))
    assert not (settings.home / "logs").exists()


def test_a_home_is_up_once(settings, tmp_path):
    with (tmp_path / "dagster" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BitPredictError, match="`bitpredict up` runs already"):
            supervise(settings)


def test_a_run_that_had_to_be_killed_is_marked_at_the_end(settings, monkeypatch):
    """It got no time to say so itself."""

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    (nobody,) = free_ports(1)
    launched = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": nobody})}
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(_anything, tags=launched, status=dg.DagsterRunStatus.STARTED)
    monkeypatch.setattr("bitpredict_assets.supervisor.services", lambda *_: [])
    monkeypatch.setattr("bitpredict_assets.supervisor._watch", interrupted)
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        supervise(settings)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    with dg.DagsterInstance.get() as instance:
        assert status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    time.sleep(0.1)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    return status(instance, run_id) in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)


@dg.job
def _anything() -> None:
    """A job of another process."""
