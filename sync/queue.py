"""The queue of the distributed engine: Celery over RabbitMQ or Redis. The scheduler fills it, workers empty it.

A message says "run stream N" and nothing else. Whether that is to be done, and that it is done once, says the database:
a message that is lost, late or told twice does no harm (docs/decisions/0008).
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError

from sync import claims, schedule, stopping
from sync.dispatching import RUNS_PER_WORKER, run_due
from sync.outcomes import explain
from sync.pool import keep_what_is_loaded
from sync.run import Sessions
from terracrm.config import Settings
from terracrm.db import make_engine, session_factory
from terracrm.errors import BrokerUnusable

try:
    from billiard.exceptions import WorkerLostError
    from billiard.util import get_logger
    from celery import Celery, signals
    from celery.exceptions import WorkerShutdown
    from celery.worker import state
    from celery.worker.consumer import Consumer
    from kombu.exceptions import KombuError
except ModuleNotFoundError:
    raise BrokerUnusable("Engine celery needs its packages: install terracrm[celery]") from None

log = structlog.get_logger(__name__)

NAME: Final = "terracrm"
TASK: Final = "terracrm.run"
QUEUED_FOR: Final = timedelta(minutes=1)
"""A message that nobody has taken for so long holds no more: the stream is put on the queue again."""
ANSWER_SECONDS: Final = 5
"""So long the broker may take to answer the scheduler."""
_LOST_SECONDS: Final = 2
_START_SECONDS: Final = 60


def make_app(settings: Settings) -> Celery:
    """Celery as we use it: one queue, JSON, no results, nobody commands a worker from afar."""
    if settings.sync.broker_url is None:
        raise BrokerUnusable("There is no message broker: set sync.broker_url")
    app = Celery(NAME, set_as_current=False)
    app.conf.update(
        broker_url=settings.sync.broker_url.get_secret_value(),
        broker_connection_timeout=ANSWER_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue=NAME,
        # Written to no disk: the database knows what is due.
        task_default_delivery_mode="transient",
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        # A message stays with the broker until its run is over, so it is delivered again when a machine dies. One that
        # killed its process is not: it would go round and round. `_Worker.lost` gives the claim back instead.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=RUNS_PER_WORKER,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=_START_SECONDS,
        worker_lost_wait=_LOST_SECONDS,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


class Broker:
    """The broker as the scheduler sees it, over one connection that is made anew when it has broken.

    Everything raises BrokerUnusable.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = make_app(settings)
        # Never to wait for ever where the other side has gone without a word.
        limits = {"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS, "confirm_publish": True}
        if str(self._app.conf.broker_url).startswith("redis"):
            limits = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
        self._app.conf.broker_transport_options = limits | {"max_retries": 0}
        self._address = settings.sync.broker
        self._connection: Any = None

    def waiting(self) -> int:
        """How many messages wait on the queue."""
        with self._open() as connection:
            return int(connection.default_channel.queue_declare(NAME, durable=True, auto_delete=False).message_count)

    def send(self, stream_ids: Sequence[int]) -> Iterator[int]:
        """Put these streams on the queue, one by one; yields each that is there."""
        with self._open() as connection, self._app.amqp.Producer(connection) as producer:
            for stream_id in stream_ids:
                self._app.send_task(
                    TASK, (stream_id,), producer=producer, retry=False, expires=QUEUED_FOR.total_seconds()
                )
                yield stream_id

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[Any]:
        if self._connection is None:
            self._connection = self._app.connection_for_write(heartbeat=0)
        broken = (*self._connection.connection_errors, *self._connection.channel_errors, KombuError, OSError)
        try:
            yield self._connection
        except broken as error:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except broken:
                log.debug("the connection to the broker was gone already")
            raise BrokerUnusable(f"The message broker {self._address} cannot be reached: {error}") from error


def work(settings: Settings, concurrency: int) -> int:
    """Run what is on the queue until SIGINT or SIGTERM; then each stream finishes its page and goes on next time.

    What does not come to its end within seconds is broken off like by a crash (`stopping`).

    The exit code: 0, or another one when Celery could not go on. Raises BrokerUnusable when the broker refuses us.
    """
    app = make_app(settings)
    _knock(app, settings.sync.broker)
    worker = _Worker(settings)
    app.task(worker.run, name=TASK)
    signals.setup_logging.connect(_keep_logs, weak=False)
    get_logger().propagate = True  # of the processes that are forked; else it would write past the log
    signals.worker_process_init.connect(worker.forked, weak=False)
    signals.task_failure.connect(worker.lost, weak=False)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, worker.stop)
    worker.free_dead()
    controller = app.WorkController(
        pool="prefork",
        consumer_cls=partial(_Consumer, address=settings.sync.broker, stop=worker.stop),
        concurrency=concurrency,
        ready_callback=_ready,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.end_in_time()
    log.info("the worker is starting", streams=concurrency)
    controller.start()
    log.info("the worker has stopped")
    return int(controller.exitcode or 0)


class _Worker:
    """What runs streams: started in one process, which forks those that do the work, and knows when to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: Sessions | None = None
        # All hear of the end of the first process, however that comes, and none that is killed takes a lock along.
        self._told, self._alive = multiprocessing.Pipe(duplex=False)

    def forked(self, **_: object) -> None:
        """A process of its own has been forked."""
        self._alive.close()
        stopping.end_after_page(self._told)
        self.start()

    def start(self) -> None:
        """Get ready to run streams."""
        self._sessions = session_factory(make_engine(self._settings.database.url))
        keep_what_is_loaded()

    def stop(self, *_: object) -> None:
        """Take nothing more from the queue; what is being run stops after its page."""
        self._alive.close()
        state.should_stop = 0

    def end_in_time(self) -> None:
        """In the process that was started first: end it some time after `stop`, whatever the others do."""
        stopping.end_in_time(self._told)

    def run(self, stream_id: int) -> None:
        """The task: run a stream, unless the message is an old one."""
        assert self._sessions is not None
        try:
            with self._sessions() as session:
                if not schedule.is_handed_out(session, stream_id):
                    return
            run_due(self._settings, self._sessions, stream_id, self._told.poll)
        except DBAPIError as error:
            log.error("the database cannot be used: the stream waits", stream_id=stream_id, reason=explain(error))

    def lost(self, exception: BaseException | None = None, **_: object) -> None:
        """A process died: in the one that forked it."""
        if isinstance(exception, WorkerLostError):
            log.error("a run was broken off: its process died")
            self.free_dead()

    def free_dead(self) -> None:
        """What died on this machine has nothing claimed any more, so that others need not wait for its lease to end."""
        engine = make_engine(self._settings.database.url)
        try:
            with session_factory(engine).begin() as session:
                claims.free_dead(session)
        except DBAPIError as error:
            log.error("the database cannot be used", reason=explain(error))
        finally:
            engine.dispose()


class _Consumer(Consumer):  # type: ignore[misc]
    """Celery's own would try a broker that refuses us again and again, many times a second: here it ends the worker."""

    def __init__(self, *args: Any, address: str, stop: Callable[[], None], **kwargs: Any) -> None:
        self._address, self._stop = address, stop
        super().__init__(*args, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once there is one."""
        try:
            with _told_when_refused(conn, self._address):
                return super().ensure_connected(conn)
        except BrokerUnusable as refusal:
            log.error(str(refusal))
            self._stop()
            raise WorkerShutdown(1) from refusal


def _knock(app: Celery, address: str) -> None:
    """Raise BrokerUnusable when the broker refuses us, before anything is started. One that is away is waited for."""
    with app.connection_for_read() as connection:
        try:
            with _told_when_refused(connection, address):
                connection.connect()
        except connection.recoverable_connection_errors:
            log.debug("the message broker is away")


@contextmanager
def _told_when_refused(connection: Any, address: str) -> Iterator[None]:
    """Raise BrokerUnusable for what no waiting mends."""
    try:
        yield
    except connection.recoverable_connection_errors:
        raise
    except (*connection.connection_errors, *connection.channel_errors) as error:
        raise BrokerUnusable(f"The message broker {address} refuses us: mend sync.broker_url: {error}") from error


def _keep_logs(**_: object) -> None:
    """That somebody listens to this signal keeps Celery from setting up logs of its own."""


def _ready(_: object) -> None:
    log.info("the worker is running")
