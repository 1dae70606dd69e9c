"""How large the parts of a project are."""

from odoo_ops.model.base import Value


class OdooSizing(Value):
    """Odoo's options of these names, and the memory of its two containers.

    Attributes:
        workers: processes that answer HTTP; 0: one process with threads.
        max_cron_threads: processes for scheduled actions, in a container of their own.
        limit_memory_soft: bytes of address space; a worker above them ends after its request.
        limit_memory_hard: bytes of address space that a worker never gets beyond.
        cron_limit_memory_soft: the first of these for a process with scheduled actions.
        cron_limit_memory_hard: the second.
        limit_time_cpu: seconds of processor time for one request.
        limit_time_real: seconds for one request.
        db_maxconn: connections of one process to PostgreSQL.
        db_maxconn_gevent: the same of the process that serves websockets.
        web_memory_bytes: of the container that answers.
        cron_memory_bytes: of the container with the scheduled actions.
    """

    workers: int
    max_cron_threads: int
    limit_memory_soft: int
    limit_memory_hard: int
    cron_limit_memory_soft: int
    cron_limit_memory_hard: int
    limit_time_cpu: int
    limit_time_real: int
    db_maxconn: int
    db_maxconn_gevent: int
    web_memory_bytes: int
    cron_memory_bytes: int

    @property
    def connections(self) -> int:
        """How many connections all its processes may have together."""
        return (self.workers + self.max_cron_threads) * self.db_maxconn + self.db_maxconn_gevent


class PostgresSizing(Value):
    """PostgreSQL's settings of these names, and the memory of its container."""

    memory_bytes: int
    max_connections: int
    shared_buffers_bytes: int
    effective_cache_size_bytes: int
    work_mem_bytes: int
    maintenance_work_mem_bytes: int
    max_wal_size_bytes: int
    max_worker_processes: int
    max_parallel_workers: int
    max_parallel_workers_per_gather: int


class PoolSizing(Value):
    """PgBouncer's limits, and the memory of its container.

    Attributes:
        clients: connections of Odoo.
        database: connections to Odoo's database.
        listening: connections to the database `postgres`, on which Odoo listens.
    """

    clients: int
    database: int
    listening: int
    memory_bytes: int


class Sizing(Value):
    """All parts of a project on one machine."""

    odoo: OdooSizing
    postgres: PostgresSizing
    nginx_memory_bytes: int
    toolbox_memory_bytes: int
