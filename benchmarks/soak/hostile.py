"""The process of the hostile guests: each goes through all attacks again and again, several at a time.

Their order differs by guest, so that at any time about all of the attacks are going on. This process is nicer to others
than the server is: on a real machine attackers would have processors of their own.
"""

import asyncio
import os
from collections import Counter
from multiprocessing.connection import Connection

from benchmarks.soak import frame_attacks, message_attacks, request_attacks
from benchmarks.soak.attacker import ROUND_SECONDS, Attack, Attacker
from benchmarks.soak.guests import Refused, address_of

ATTACKS: dict[str, Attack] = {
    attack.__name__: attack for attack in [*frame_attacks.ATTACKS, *message_attacks.ATTACKS, *request_attacks.ATTACKS]
}
FIRST_NUMBER = 1_000  # of their addresses
LANES = 3
"""Attacks at once of one guest."""

Outcomes = dict[str, Counter[str]]


def attack(to_parent: Connection, url: str, guests: int, names: list[str]) -> None:
    """Go on until the parent says something, or is gone; then tell it how the server has answered."""
    os.nice(10)
    to_parent.send(asyncio.run(_attack(to_parent, url, guests, names)))


async def _attack(to_parent: Connection, url: str, guests: int, names: list[str]) -> Outcomes:
    outcomes: Outcomes = {name: Counter() for name in names}
    attackers = [Attacker(url, address_of(FIRST_NUMBER + number), seed=number) for number in range(guests)]
    lanes = [asyncio.create_task(_lane(attacker, names, outcomes)) for attacker in attackers for lane in range(LANES)]
    await asyncio.to_thread(to_parent.poll, None)
    for lane in lanes:
        lane.cancel()
    await asyncio.gather(*lanes, return_exceptions=True)
    for attacker in attackers:
        await attacker.guest.close()
    return outcomes


async def _lane(attacker: Attacker, names: list[str], outcomes: Outcomes) -> None:
    while True:
        order = attacker.random.sample(names, len(names))
        for name in order:
            try:
                async with asyncio.timeout(ROUND_SECONDS):
                    outcome = await ATTACKS[name](attacker)
            except TimeoutError:
                outcome = f"went on for {ROUND_SECONDS:g} s"
            except Refused as refused:
                outcome = f"no chat: {refused}"
            except OSError as error:
                outcome = type(error).__name__
            except Exception as error:
                outcome = f"{type(error).__module__}.{type(error).__name__}"
            outcomes[name][outcome] += 1
            await asyncio.sleep(0.05)  # if all is refused at once, there is no need to ask more often
