"""pytest-celery's nodes over processes instead of containers: its setup, its vocabulary, no Docker."""

import signal as signals

import celery
from pytest_celery import CeleryTestBroker, CeleryTestContainer, CeleryTestSetup, CeleryTestWorker

from tests.support.broker import PREFIX, BrokerProcess
from tests.support.workers import WorkerProcess


def client_app(broker_url: str) -> celery.Celery:
    """What another service sets up that has only the broker: the key prefix, and the queue that reports go to."""
    app = celery.Celery("another-service", broker=broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options={"global_keyprefix": PREFIX, "socket_timeout": 5, "socket_connect_timeout": 2},
        task_default_queue="submit",
        task_default_exchange="",
        task_ignore_result=True,
    )
    return app


class WorkerContainer(CeleryTestContainer):
    """A worker process behind a container's interface."""

    def __init__(self, worker: WorkerProcess) -> None:
        """Not the parent's: it wants a Docker object."""
        self.worker = worker

    @property
    def id(self) -> str:
        """The worker's name."""
        return self.worker.name

    @property
    def name(self) -> str:
        """The worker's name."""
        return self.worker.name

    @property
    def status(self) -> str:
        """`running` or `exited`."""
        return "running" if self.worker.alive else "exited"

    def ready(self) -> bool:
        """Wait until it takes messages."""
        self.worker.wait_ready()
        return True

    def logs(self) -> str:
        """What it said since its last start."""
        return self.worker.logs()

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Send a signal by name or number."""
        self.worker.kill(signals.Signals[signal] if isinstance(signal, str) else signals.Signals(signal))

    def restart(self, timeout: int = 10) -> None:
        """End it if it still runs, and start it again."""
        if self.worker.alive:
            self.worker.kill(signals.SIGTERM)
            self.worker.wait_end(timeout)
        self.worker.start()

    def reload(self) -> None:
        """There is nothing to be read again."""

    def teardown(self) -> None:
        """Whoever started the process ends it."""


class BrokerContainer(CeleryTestContainer):
    """A broker process behind a container's interface."""

    def __init__(self, broker: BrokerProcess) -> None:
        """Not the parent's: it wants a Docker object."""
        self.broker = broker

    @property
    def id(self) -> str:
        """There is one."""
        return "broker"

    @property
    def name(self) -> str:
        """There is one."""
        return "broker"

    @property
    def status(self) -> str:
        """Whoever asks wants to kill it."""
        return "running"

    @property
    def celeryconfig(self) -> dict[str, str]:
        """Where it is; the same for all."""
        return {"url": self.broker.url, "host_url": self.broker.url}

    def ready(self) -> bool:
        """It was started by its fixture, which waited for it."""
        return True

    def logs(self) -> str:
        """What it said."""
        return self.broker.log()

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Kill it; there is no gentler way that would matter to a broker."""
        assert signal == "SIGKILL"
        self.broker.kill()

    def restart(self, timeout: int = 10) -> None:  # noqa: ARG002 - pytest-celery's signature
        """Kill it and start it again."""
        self.broker.kill()
        self.broker.start()

    def reload(self) -> None:
        """There is nothing to be read again."""

    def teardown(self) -> None:
        """Its fixture ends it."""


class WorkerNode(CeleryTestWorker):
    """A worker that the test can wait for, read, kill and restart."""

    def __init__(self, worker: WorkerProcess) -> None:
        """The app is set by the setup."""
        super().__init__(WorkerContainer(worker), app=None)


class BrokerNode(CeleryTestBroker):
    """A broker that the test can kill and restart."""

    def __init__(self, broker: BrokerProcess) -> None:
        """The app is set by the setup."""
        super().__init__(BrokerContainer(broker), app=None)


class Setup(CeleryTestSetup):
    """The nodes, and an app that knows of the product nothing but its broker and its tasks' names."""

    @classmethod
    def create_setup_app(cls, celery_setup_config: dict[str, str], celery_setup_app_name: str) -> celery.Celery:  # noqa: ARG003
        """The app of another service."""
        return client_app(celery_setup_config["broker_url"])
