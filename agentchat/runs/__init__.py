"""Runs: how an agent function lives in a server, waits without a thread, and outlives its process.

runner.py         claim, advance, release: the runs of this process; active_runs.py has them
supervisor.py     once a second: leases, stop requests, runs that are ready, events without a notification
execution.py      one execution of a run: the call of its agent function
stream.py         the IOStream of a run; async_bridge.py is how it waits, history.py what was said before
journal.py        steps and events, saved once and found again; transactions.py, origins.py, determinism.py
questions.py      questions to the user; limits.py, failures.py
session_lock.py   the row of a chat session: lock it, number events, start a run; finalize.py ends one
leases.py         which process a run belongs to; owners_in_turn.py: whose run is next
direct_claims.py  a message's transaction claims the run, if this process has room
branching/        the tree of runs: what a branch shows, what a run inherits, where it forks
engines/          how "advance this run" reaches a process: in the server's own threads, or in Celery's workers
"""
