"""A site that is killed at each wait of a run: what came meanwhile has come, once."""

import signal

import pytest

from tests.faults.waits import outlive_waits


@pytest.mark.timeout(300)
def test_whatever_a_run_waits_for_comes_once_though_everything_is_killed(make_site, guest, tmp_path, eventually):
    site = make_site()
    site.start()
    outlive_waits(
        site,
        site.environment,
        kill=lambda: site.stop(signal.SIGKILL),
        revive=site.start,
        visit=guest,
        folder=tmp_path,
        eventually=eventually,
    )
