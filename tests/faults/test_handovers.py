"""A site that is killed while its staff talk with a user."""

import signal

import pytest

from tests.faults.handovers import outlive_handovers


@pytest.mark.timeout(300)
def test_what_staff_say_and_do_has_happened_once_though_everything_is_killed(make_site, guest, tmp_path):
    site = make_site()
    site.start()
    outlive_handovers(
        site,
        site.environment,
        kill=lambda: site.stop(signal.SIGKILL),
        revive=site.start,
        visit=guest,
        folder=tmp_path,
    )
