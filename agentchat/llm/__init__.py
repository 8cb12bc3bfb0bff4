"""Models: which ones there are, how they are asked, what they used, and one that needs no key.

    config.py        config lists, and what `llm_config()` chooses
    entries.py       the entries of an llm_config, checked and completed
    client.py        `complete()`: asks again, and asks the next entry when one does not answer, or breaks off
    question.py      what is asked of whom; what a cache knows of it
    failure.py       why one did not, as a value
    openai.py        the SDK: the only file that imports it
    model_client.py  models of one's own, asked instead of a service
    answer.py        a streamed answer, put together byte by byte, without I/O; tool_calls.py puts its calls together
    reply.py         what `complete()` tells and returns
    cost.py          what an answer cost, where that is known
    usage.py         tokens and costs added up
    demo.py          the demo model, served in this process; demo_script.py is what it says

Importing this loads none of them.
"""
