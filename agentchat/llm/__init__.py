"""Models: which ones there are, how they are asked, what they use, and one that needs no key.

    config.py            config lists, and which one `llm_config()` chooses
    config_entries.py    the entries of an llm_config, checked and completed
    timeouts.py          how long a model may be silent
    client.py            `complete()`: retries, and falls over to the next entry when one fails or breaks off
    request.py           one entry with the messages to send, and the cache that may know the answer
    profiles.py          what each service accepts in a conversation
    history.py           a conversation in the form that a service accepts
    history_calls.py     its calls of tools, each with its result
    history_names.py     its speakers
    learned.py           what was learned of services, for as long as the process lives
    amendments.py        what a service does not know, and is asked again without
    errors.py            why a model did not answer, as a value, from what its service says
    openai_client.py     the SDK: only this file and the next import it
    openai_errors.py        errors that code for the SDK catches, too
    http_clients.py      HTTP clients of the site's own
    model_client.py      custom model clients, asked instead of a service
    stream_parser.py     a streamed answer, parsed byte by byte, without I/O
    event_stream.py      its bytes, as objects
    choice.py            one choice of it, put together from deltas
    tool_call_deltas.py  the tool calls of a choice
    finish_reasons.py    why it ended, in OpenAI's words
    stream_errors.py     errors in it
    response.py          what `complete()` emits and returns
    pricing.py           what an answer cost, where that is known
    usage.py             tokens and costs added up
    demo/                the demo model, served in this process

Importing this loads none of them.
"""
