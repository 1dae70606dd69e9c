"""How large the parts of a project are: cases as data, and what holds for every machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo_ops.errors import Refused
from odoo_ops.model.provision import HostFacts
from odoo_ops.policy.sizing import MIB, machine_sizing, pool_sizing, steady_memory, why_crowded

GIB = 1024 * MIB


@pytest.mark.parametrize(
    # cores, GiB, users; workers, processes for scheduled actions, MiB of: the container that answers, a process's soft
    # limit there, the container of scheduled actions, a process's soft limit there, PostgreSQL
    ("machine", "expected"),
    [
        ((1, 1.84375, 1), (2, 1, 800, 1024, 338, 1024, 270)),  # the least: not all of them may be heavy there
        ((2, 2.5, 5), (2, 1, 887, 1024, 587, 1024, 606)),
        ((1, 4.1875, 1), (2, 1, 1468, 1168, 1068, 1068, 1272)),  # room for a heavy one in each
        ((1, 4, 100), (2, 1, 1402, 1102, 1014, 1024, 1200)),  # 2 x 1 core + 1, of which one is for scheduled actions
        ((2, 4, 6), (2, 1, 1589, 1289, 977, 1024, 1050)),  # room for the two that more people would need
        ((2, 4, 24), (4, 1, 1589, 1024, 977, 1024, 1050)),
        ((2, 3.8125, 30), (4, 1, 1523, 1024, 923, 1024, 978)),  # what the kernel says of one with 4 GiB
        ((8, 4, 60), (4, 1, 1589, 1024, 977, 1024, 1050)),  # memory is what there is too little of
        ((4, 8, 40), (7, 2, 2871, 1821, 2196, 1098, 2645)),  # the documentation: 9 processes on 4 cores
        ((16, 64, 100), (17, 2, 26376, 2048, 4096, 2048, 34584)),
    ],
)
def test_sizing_follows_users_cores_and_memory(
    machine: tuple[int, float, int], expected: tuple[int, int, int, int, int, int, int]
) -> None:
    cores, memory_gib, users = machine
    sizing = machine_sizing(HostFacts(cores=cores, memory_bytes=int(memory_gib * GIB)), users)
    odoo = sizing.odoo
    sizes = (
        *(odoo.web_memory_bytes, odoo.limit_memory_soft, odoo.cron_memory_bytes, odoo.cron_limit_memory_soft),
        sizing.postgres.memory_bytes,
    )
    found = (odoo.workers, odoo.max_cron_threads, *(size // MIB for size in sizes))
    assert found == expected


@pytest.mark.parametrize("memory_mib", [1, 512, 1024, 1887])
def test_machine_is_refused_with_the_figures_when_its_memory_is_too_small(memory_mib: int) -> None:
    with pytest.raises(
        Refused,
        match=r"MiB of memory are too little .* needs 1125 MiB for 2 workers .* Next step: .* least 1888 MiB",
    ):
        machine_sizing(HostFacts(cores=8, memory_bytes=memory_mib * MIB), 1)


def test_sizes_stay_when_the_kernel_takes_a_little_more_memory() -> None:
    first, second = (
        machine_sizing(HostFacts(cores=2, memory_bytes=bytes_), 9) for bytes_ in (4 * GIB - 1, 4 * GIB - MIB)
    )
    assert first == second


@pytest.mark.parametrize(
    ("noted", "found", "expected"),
    [
        (None, 4 * GIB, 4 * GIB),
        (4 * GIB, 4 * GIB - 1, 4 * GIB),
        (4 * GIB, 4 * GIB + 32 * MIB, 4 * GIB),
        (4 * GIB, 4 * GIB + 32 * MIB + 1, 4 * GIB + 32 * MIB + 1),
        (4 * GIB, 4 * GIB - 32 * MIB, 4 * GIB),
        (4 * GIB, 4 * GIB - 32 * MIB - 1, 4 * GIB - 32 * MIB - 1),
    ],
)
def test_sizes_are_made_for_the_noted_memory_while_the_machine_has_about_as_much(
    noted: int | None, found: int, expected: int
) -> None:
    assert steady_memory(noted, found) == expected


@given(cores=st.integers(1, 128), memory_mib=st.integers(1888, 2_000_000), users=st.integers(1, 5000))
def test_all_parts_fit_into_the_machine(cores: int, memory_mib: int, users: int) -> None:
    sizing = machine_sizing(HostFacts(cores=cores, memory_bytes=memory_mib * MIB), users)
    odoo, postgres = sizing.odoo, sizing.postgres
    containers = (
        odoo.web_memory_bytes,
        odoo.cron_memory_bytes,
        postgres.memory_bytes,
        sizing.nginx_memory_bytes,
    )
    assert sum(containers) <= memory_mib * MIB
    assert 2 <= odoo.workers <= max(2, 2 * cores + 1 - odoo.max_cron_threads)
    assert odoo.limit_memory_soft < odoo.limit_memory_hard
    assert odoo.connections < postgres.max_connections
    for served in (odoo, odoo.model_copy(update={"workers": 0, "db_maxconn": odoo.db_maxconn_gevent})):
        by_session, shared = (pool_sizing(served, by_transaction=by_transaction) for by_transaction in (False, True))
        assert shared.database <= by_session.database == served.connections < shared.clients
        assert shared.database + shared.listening < postgres.max_connections
    assert postgres.shared_buffers_bytes < postgres.effective_cache_size_bytes < postgres.memory_bytes


@given(cores=st.integers(1, 128), memory_mib=st.integers(4288, 2_000_000), users=st.integers(1, 5000))
def test_odoo_ends_a_process_that_grows_before_the_kernel_does(cores: int, memory_mib: int, users: int) -> None:
    """One that answers beside all others at rest, and each with scheduled actions at once."""
    odoo = machine_sizing(HostFacts(cores=cores, memory_bytes=memory_mib * MIB), users).odoo
    at_rest, heavy = 150 * MIB, 1024 * MIB
    beside = odoo.workers - 1 + 1  # the last one is for websockets
    assert odoo.web_memory_bytes >= odoo.limit_memory_soft + beside * at_rest
    assert odoo.cron_memory_bytes >= odoo.max_cron_threads * odoo.cron_limit_memory_soft
    assert min(odoo.limit_memory_soft, odoo.cron_limit_memory_soft) >= heavy
    assert odoo.cron_limit_memory_soft < odoo.cron_limit_memory_hard


def test_more_memory_never_gives_less_to_postgresql_or_fewer_workers() -> None:
    sizes = [machine_sizing(HostFacts(cores=8, memory_bytes=gib * GIB), 48) for gib in range(4, 65)]
    assert [size.odoo.workers for size in sizes] == sorted(size.odoo.workers for size in sizes)
    most = [size.postgres.memory_bytes for size in sizes if size.odoo.workers == 8]
    assert most == sorted(most)


def test_neighbours_are_told_when_all_do_not_fit_into_the_memory() -> None:
    assert why_crowded(16 * GIB, ours_bytes=12 * GIB, others_bytes=4 * GIB) == ""
    said = why_crowded(16 * GIB, ours_bytes=12 * GIB, others_bytes=4 * GIB + 1)
    assert "may take 4.3 GB of memory, and these 12.9 GB: more than its 17.2 GB. Next step: " in said
