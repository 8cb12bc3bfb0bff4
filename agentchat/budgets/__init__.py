"""What may be used, and what was: budgets by owner, group, agent and site; and what staff have paused.

rules.py       the budgets and the pauses that hold now, as this process knows them
periods.py     days and months in TIME_ZONE
metering.py    what is used is recorded, and compared with the budgets
roll_up.py     what was recorded is added up, and staff are warned; for the supervisor

A site without budgets pays nothing for them: no statement of a turn is here.
"""
