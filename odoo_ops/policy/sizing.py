"""How many workers, how much memory: Odoo, PostgreSQL and nginx share one machine.

What the operating system, Docker, nginx and a backup's programs need is set aside. Odoo and PostgreSQL get what they
need at least, and halve the rest; that is for as many workers as the machine can have, so that more people make no
PostgreSQL anew. The kernel ends what exceeds a container's limit, in the midst of its work; so each has room for a
process that has grown to Odoo's own soft limit, after which Odoo ends it, beside the others at rest: one that answers
people, and each that runs scheduled actions. A machine too small for that gets what it has room for, down to the mean
of all processes. The limits and nginx's never exceed the machine together. What runs for
a while comes on top: a drill's Odoo (at most one process's limit), the toolboxes (each at most half of the machine: a
backup takes much less, and one that runs wild ends before PostgreSQL or Odoo do), certbot.
"""

from math import ceil

from odoo_ops.errors import Refused
from odoo_ops.model.provision import HostFacts
from odoo_ops.model.sizing import OdooSizing, PoolSizing, PostgresSizing, Sizing
from odoo_ops.units import shown_bytes

MIB = 2**20

# The kernel's own part of the memory differs from start to start, and from one kernel to the next: so little must make
# no container anew.
_GRAIN = 32 * MIB
_SYSTEM = 480 * MIB
_NGINX = 128 * MIB  # of the system's part

# Odoo's documentation, "Deploying Odoo": 6 users keep one worker busy; a light request takes 150 MB, a heavy one 1 GB,
# and one of five is heavy
_USERS_OF_WORKER = 6
_LIGHT = 150 * MIB
_WORKER = 325 * MIB  # 0.8 x 150 MB + 0.2 x 1 GB
_HEAVY = 1024 * MIB
_BESIDE_WORKERS = 1  # the process for websockets; the main one shares its pages with those that it makes
# a page that is printed is fetched from Odoo while the worker that prints it waits
_LEAST_WORKERS = 2
_CORES_FOR_TWO_CRONS, _MEMORY_FOR_TWO_CRONS = 4, 7168 * MIB
# Odoo's defaults; they count address space, of which not all takes memory
_SOFTEST, _HARDEST = 2048 * MIB, 2560 * MIB
# a process does one thing at a time; the one for websockets asks for many people at once
_DB_MAXCONN, _DB_MAXCONN_GEVENT = 8, 32

_PGBOUNCER = 64 * MIB  # of the system's part; a connection takes some kilobytes
# a request has a transaction, and at times two more beside it; the one process for websockets has many short ones
_TRANSACTIONS, _TRANSACTIONS_GEVENT = 3, 8

_POSTGRES_LEAST = 256 * MIB
_OTHER_CONNECTIONS = 30  # of a backup's jobs, of operators, and those kept for the superuser


def steady_memory(noted_bytes: int | None, found_bytes: int) -> int:
    """The memory for which the sizes of a project are made.

    Args:
        noted_bytes: for which they were made; it stays while the machine's is about the same. None: none were.
        found_bytes: what the machine has now.
    """
    if noted_bytes is None or abs(found_bytes - noted_bytes) > _GRAIN:
        return found_bytes
    return noted_bytes


def machine_sizing(facts: HostFacts, expected_users: int) -> Sizing:
    """The sizes of all parts on a machine, for so many people who work at the same time.

    Raises:
        Refused: the machine has too little memory for even the least.
    """
    facts = HostFacts(cores=facts.cores, memory_bytes=_whole(facts.memory_bytes, _GRAIN) or facts.memory_bytes)
    odoo = odoo_sizing(facts, expected_users)
    left = facts.memory_bytes - _SYSTEM - odoo.web_memory_bytes - odoo.cron_memory_bytes
    postgres = postgres_sizing(HostFacts(cores=facts.cores, memory_bytes=left), odoo.connections)
    return Sizing(
        odoo=odoo,
        postgres=postgres,
        nginx_memory_bytes=_NGINX,
        toolbox_memory_bytes=_whole(facts.memory_bytes // 2, MIB),
    )


def odoo_sizing(facts: HostFacts, expected_users: int) -> OdooSizing:
    """Odoo's part of a machine.

    Workers: one for 6 users, at most 2 x cores + 1 together with those for scheduled actions, and no more than there
    is memory for. Time limits and `limit_request` are those of the documentation's example; memory limits its
    defaults, or what the containers have room for.

    Raises:
        Refused: the machine has too little memory for two workers, one for scheduled actions, and PostgreSQL.
    """
    enough = facts.cores >= _CORES_FOR_TWO_CRONS and facts.memory_bytes >= _MEMORY_FOR_TWO_CRONS
    crons = 2 if enough else 1
    heavy = _heavy(facts.memory_bytes - _SYSTEM - _POSTGRES_LEAST, crons)
    least = _web_memory(_LEAST_WORKERS, heavy) + _cron_memory(crons, heavy)
    spare = facts.memory_bytes - _SYSTEM - least
    if spare < _POSTGRES_LEAST:
        raise _too_small(facts)
    for_postgres = max(_POSTGRES_LEAST, min(facts.memory_bytes // 4, spare))
    room = facts.memory_bytes - _SYSTEM - for_postgres - _cron_memory(crons, heavy)
    most = _LEAST_WORKERS
    while most < 2 * facts.cores + 1 - crons and _web_memory(most + 1, heavy) <= room:
        most += 1
    workers = min(max(ceil(expected_users / _USERS_OF_WORKER), _LEAST_WORKERS), most)
    more = (room - _web_memory(most, heavy)) // 2
    more_for_crons = min(more // 4, crons * (_SOFTEST - heavy))
    web = _web_memory(most, heavy) + more - more_for_crons
    return _with_memory(web, _cron_memory(crons, heavy) + more_for_crons, workers, crons)


def _heavy(room: int, crons: int) -> int:
    """What a process may grow to where Odoo and the rest of PostgreSQL have so much room; at most a heavy one's part.

    Odoo may have half of what is left where all take the mean.
    """
    mean = _web_memory(_LEAST_WORKERS, _WORKER) + _cron_memory(crons, _WORKER)
    for_odoo = mean + (room - mean) // 2
    beside_web, beside_rest = for_odoo - _web_memory(_LEAST_WORKERS, 0), for_odoo - _at_rest(_LEAST_WORKERS)
    return max(_WORKER, min(_HEAVY, beside_web // crons, beside_rest // (crons + 1)))


def _at_rest(workers: int) -> int:
    """All of the container that answers but one worker."""
    return (workers - 1 + _BESIDE_WORKERS) * _LIGHT


def _web_memory(workers: int, heavy: int) -> int:
    """What the container that answers needs at least: at the mean, and when one request is heavy."""
    return max(workers * _WORKER + _BESIDE_WORKERS * _LIGHT, heavy + _at_rest(workers))


def _cron_memory(crons: int, heavy: int) -> int:
    """The same of scheduled actions, of which each may be heavy."""
    return crons * heavy


def _too_small(facts: HostFacts) -> Refused:
    odoo = _web_memory(_LEAST_WORKERS, _WORKER) + _cron_memory(1, _WORKER)
    needed = -_whole(-(_SYSTEM + odoo + _POSTGRES_LEAST), _GRAIN)
    return Refused(
        f"{facts.memory_bytes // MIB} MiB of memory are too little for an Odoo. It needs {odoo // MIB} MiB for "
        f"{_LEAST_WORKERS} workers and one for scheduled actions, PostgreSQL {_POSTGRES_LEAST // MIB} MiB, the rest of "
        f"the machine {_SYSTEM // MIB} MiB. Nothing was changed. Next step: give the machine at least "
        f"{needed // MIB} MiB, or correct `provision.memory_bytes`."
    )


def _with_memory(web: int, cron: int, workers: int, crons: int) -> OdooSizing:
    web, cron = _whole(web, MIB), _whole(cron, MIB)
    soft, cron_soft = _soft(web - _at_rest(workers)), _soft(cron // crons)
    return OdooSizing(
        workers=workers,
        max_cron_threads=crons,
        limit_memory_soft=soft,
        limit_memory_hard=_hard(soft, web),
        cron_limit_memory_soft=cron_soft,
        cron_limit_memory_hard=_hard(cron_soft, cron),
        limit_time_cpu=600,
        limit_time_real=1200,
        db_maxconn=_DB_MAXCONN,
        db_maxconn_gevent=_DB_MAXCONN_GEVENT,
        web_memory_bytes=web,
        cron_memory_bytes=cron,
    )


def _soft(room: int) -> int:
    """Odoo's limit for a process with so much room. Below 1 GiB its own libraries leave little of the address space."""
    return _whole(min(max(room, _HEAVY), _SOFTEST), MIB)


def _hard(soft: int, container: int) -> int:
    """Odoo's limit at which a process gets no more address space: its default, or what the container has."""
    return max(soft * 5 // 4, min(container, _HARDEST))


def postgres_sizing(facts: HostFacts, connections: int) -> PostgresSizing:
    """PostgreSQL's settings for the memory of its container and the connections that Odoo may open.

    PostgreSQL's documentation, "Resource Consumption" and "Query Planning": a quarter of the memory for
    `shared_buffers`, and three quarters are cached altogether: the container's limit counts the pages of files that it
    reads. A second quarter is for sorts (`work_mem`) when every connection sorts once.
    """
    quarter = facts.memory_bytes // 4
    most = connections + _OTHER_CONNECTIONS
    return PostgresSizing(
        memory_bytes=facts.memory_bytes,
        max_connections=most,
        shared_buffers_bytes=_whole(quarter, MIB),
        effective_cache_size_bytes=_whole(3 * quarter, MIB),
        work_mem_bytes=_whole(min(max(quarter // most, 4 * MIB), 64 * MIB), 1024),
        maintenance_work_mem_bytes=_whole(min(max(quarter // 4, 64 * MIB), 1024 * MIB), MIB),
        max_wal_size_bytes=2048 * MIB,
        max_worker_processes=max(8, facts.cores),
        max_parallel_workers=facts.cores,
        max_parallel_workers_per_gather=min(2, facts.cores // 2),
    )


def pool_sizing(odoo: OdooSizing, *, by_transaction: bool) -> PoolSizing:
    """PgBouncer's limits. PostgreSQL allows so many without it, too: so it comes and goes without a restart of that.

    A pool that gives its connections to sessions has one for each that Odoo may open: Odoo keeps those that it does not
    use, so with fewer it would wait for itself. That goes for the database on which Odoo listens, always: each process
    has one connection there that tells, those for scheduled actions one that listens, that for websockets any number.

    Args:
        odoo: the sizes of Odoo.
        by_transaction: a connection to Odoo's database is free for others after each transaction.
    """
    processes = odoo.workers + odoo.max_cron_threads
    shared = _TRANSACTIONS * processes + (_TRANSACTIONS_GEVENT if odoo.workers else odoo.db_maxconn_gevent)
    return PoolSizing(
        clients=odoo.connections + _OTHER_CONNECTIONS,
        database=min(shared, odoo.connections) if by_transaction else odoo.connections,
        listening=processes + odoo.max_cron_threads + odoo.db_maxconn_gevent,
        memory_bytes=_PGBOUNCER,
    )


def why_crowded(machine_bytes: int, *, ours_bytes: int, others_bytes: int) -> str:
    """Why a machine's memory is too little for what a project and its neighbours may take at once; empty: it is not."""
    if ours_bytes + others_bytes <= machine_bytes:
        return ""
    ours, others, machine = map(shown_bytes, (ours_bytes, others_bytes, machine_bytes))
    return (
        f"Containers of other projects on the machine may take {others} of memory, and these {ours}: more than its "
        f"{machine}. Next step: give each environment there its part (`provision.memory_bytes`)."
    )


def _whole(value: int, unit: int) -> int:
    return value // unit * unit
