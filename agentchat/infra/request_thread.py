"""The thread that Django keeps for a request as long as it is open, for whatever is synchronous in it.

A request that only waits has no use for it, and thousands of them would have thousands of idle threads.
"""

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections


async def release_request_thread() -> None:
    """Give back the thread of this request, with its connections. Whatever is synchronous later on gets a new one."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None or context not in SyncToAsync.context_to_thread_executor:
        return
    await sync_to_async(connections.close_all)()
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is not None:
        executor.shutdown(wait=False)
