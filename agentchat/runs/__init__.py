"""Runs: how an agent function lives in a server, waits without a thread, and outlives its process.

session.py   a chat session's row: lock it, number facts, begin a run; ending.py ends one
journal.py   save and replay the steps of a run while it lives
control.py   what people do to a chat session: send, answer, stop
chats.py     what they do to it as a whole: name, delete, take back
lists.py     the bell of the lists of chats
iostream.py  the IOStream and the bridge of a run
runner.py    claim, advance, keep, drain: the runs of this process
hub.py       the watchers of this process, and the text of messages being written
pool.py      threads
frames.py    events as the wire has them
engines/     how "advance this run" reaches a process: in threads of the server's own, or in Celery's workers
"""
