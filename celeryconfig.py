"""Celery's settings as data, derived from the product's settings and its stages.

Each value that is not Celery's default has its reason; most of them close a way in which Celery on Redis loses or
doubles work. None of them carries the promise: the state in Postgres does.
"""

from kombu import Queue

from triage.bootstrap import services
from triage.model import Stage

_services = services()
_on_redis = _services.broker_url.startswith(("redis://", "rediss://"))

broker_url = _services.broker_url
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # never give up while running
broker_connection_timeout = 5

if _on_redis:
    broker_transport = "workers.transport:SafeTransport"
    broker_transport_options = {
        "visibility_timeout": 900,  # above the longest claim; the state makes an early redelivery harmless
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,  # sweep every 10 s, not every 100 s
        "socket_timeout": 15,  # above the 1 s BRPOP; without it a black-holed publish hangs for ever
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "max_connections": 64,
        "global_keyprefix": "triage:",  # also isolates `unacked*`
    }
else:
    broker_transport_options = {"confirm_publish": True}

SUBMIT_QUEUE = "submit"
task_default_queue = SUBMIT_QUEUE
task_default_exchange = ""  # straight into the queue: on Redis a lost binding table would discard messages in silence
task_queues = [Queue(str(name), routing_key=str(name)) for name in (*Stage, SUBMIT_QUEUE)]
task_routes = {f"triage.{name}": {"queue": str(name)} for name in (*Stage, SUBMIT_QUEUE)}
task_create_missing_queues = False

task_acks_late = True
task_acks_on_failure = True  # failures are in Postgres; False would only drop the message
task_acks_on_timeout = True  # False loops without a bound
task_retry_on_worker_lost = True  # prefork workers only
task_reject_on_worker_lost = False  # an unbounded loop
task_ignore_result = True  # the table is the result
task_serializer = "json"
accept_content = ["json"]
task_soft_time_limit, task_time_limit = 300, 330  # prefork only; on threads the calls' own deadlines hold
task_publish_retry_policy = {"max_retries": 3, "interval_start": 0.1, "interval_step": 0.5, "interval_max": 2}

worker_pool = "threads"
worker_concurrency = _services.settings.slots
worker_prefetch_multiplier = 1
worker_disable_prefetch = _on_redis
worker_eta_task_limit = 1000
worker_send_task_events = True  # Flower
task_send_sent_event = False  # a run is sent when the relay rings it; Flower sees it when it is received
worker_hijack_root_logger = False  # the product renders all logs alike
worker_enable_remote_control = True
imports = ("workers.tasks",)
