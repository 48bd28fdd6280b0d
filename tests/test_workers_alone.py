"""The worker processes of a run on this machine, and their dashboard, are out of reach of every other machine."""

import psutil
import pytest

from dfe_lib.batch.workers import workers


@pytest.mark.enable_socket  # worker processes on this machine
def test_workers_and_their_dashboard_listen_on_this_machine_alone():
    with workers(1) as pool:
        here = psutil.Process()
        family = [here, *here.children(recursive=True)]
        found = [c.laddr for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert len(family) > 1 and len(found) >= 3  # the scheduler, its dashboard, the worker
        assert {address.ip for address in found} <= {"127.0.0.1", "::1"}
        assert pool.dashboard.startswith("http://127.0.0.1:")
