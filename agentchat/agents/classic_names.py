"""What AutoGen 0.2 keeps under names with an underscore, and programs use all the same.

An attribute leads to ours. A method that chats call there and not here would be ignored in silence, so overriding it is
refused, with what to do instead.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Literal

from agentchat.agents.parts import AgentParts
from agentchat.core.model_json import strict_json
from agentchat.errors import ConfigError

_HOOK = "register a hook at 'process_message_before_send' or 'process_last_received_message'"
_REPLY = "register a reply function with register_reply()"
_NO_CODE = "code that a model writes is not run; register the functions that it needs as tools"

NOT_CALLED = {
    "_print_received_message": "override _process_received_message(), or use a stream of your own",
    "_append_oai_message": "override receive() and send()",
    "_process_message_before_send": _HOOK,
    "_a_process_message_before_send": _HOOK,
    "process_last_received_message": _HOOK,
    "process_all_messages_before_reply": "register a hook at 'process_all_messages_before_reply'",
    "_generate_oai_reply_from_client": "override generate_oai_reply(), or use a custom model client",
    "_prepare_chat": "override initiate_chat()",
    "_message_to_dict": _HOOK,
    "_summarize_chat": "pass a function as summary_method",
    "_last_msg_as_summary": "pass a function as summary_method",
    "_reflection_with_llm": "pass a function as summary_method",
    "_reflection_with_llm_as_summary": "pass a function as summary_method",
    "_summary_from_nested_chats": "pass a function as reply_func_from_nested_chats",
    "_process_carryover": "override generate_init_message()",
    "_handle_carryover": "override generate_init_message()",
    "_match_trigger": "pass a function as trigger",
    "_valid_resume_messages": "override resume()",
    "_process_resume_termination": "override resume()",
    "_a_execute_tool_call": "wrap the tool",
    "generate_code_execution_reply": f"{_NO_CODE}, or {_REPLY}",
    "_generate_code_execution_reply_using_executor": f"{_NO_CODE}, or {_REPLY}",
    "execute_code_blocks": f"{_NO_CODE}, or {_REPLY}",
    "run_code": f"{_NO_CODE}, or {_REPLY}",
}

NOT_HERE = {
    **NOT_CALLED,
    "_reply_func_list": "use register_reply() and replace_reply_func()",
    "_code_execution_config": _NO_CODE,
    "code_executor": _NO_CODE,
    "hook_lists": "use register_hook()",
    "client_cache": "pass cache=… to initiate_chat()",
}

NOT_CALLED_IN_GROUPS = {
    "_auto_select_speaker": "override select_speaker(), or pass a function as speaker_selection_method",
    "a_auto_select_speaker": "override select_speaker(), or pass a function as speaker_selection_method",
    "_prepare_and_select_agents": "pass a function as speaker_selection_method",
    "_create_internal_agents": "use the select_speaker_… arguments",
    "_finalize_speaker": "override select_speaker()",
    "_mentioned_agents": "pass a function as speaker_selection_method",
    "_validate_speaker_name": "override select_speaker()",
    "_participant_roles": "override introductions_msg() or select_speaker_msg()",
}


def refuse_overrides(cls: type, not_called: Mapping[str, str]) -> None:
    """Raise ConfigError for a class of a program's own that overrides what is never called."""
    if cls.__module__.startswith("agentchat.agents."):
        return
    for name, instead in not_called.items():
        if name in vars(cls):
            raise ConfigError(f"{cls.__name__}.{name} would be ignored: only AutoGen 0.2 calls it. Instead, {instead}")


def _leading_to(path: str) -> property:
    owner, _, name = path.rpartition(".")

    def set_(agent: Any, value: Any) -> None:
        setattr(attrgetter(owner)(agent) if owner else agent, name, value)

    return property(attrgetter(path), set_)


class _SystemMessage(dict[str, str]):
    """An agent's system message as AutoGen 0.2 keeps it. Its content can be set."""

    def __init__(self, agent: Any) -> None:
        super().__init__(role="system", content=agent.system_message)
        self._agent = agent

    def __setitem__(self, key: str, value: str) -> None:
        super().__setitem__(key, value)
        if key == "content":
            self._agent.system_message = value


class ClassicNames:
    """The base of `ConversableAgent` that has these names."""

    system_message: str
    _agentchat: AgentParts

    DEFAULT_CONFIG: ClassVar[Literal[False]] = False

    _name = _leading_to("name")
    _description = _leading_to("description")
    _is_termination_msg = _leading_to("is_termination_msg")
    _default_auto_reply = _leading_to("default_auto_reply")
    _oai_messages = _leading_to("chat_messages")
    _function_map = _leading_to("function_map")
    _human_input = _leading_to("_agentchat.human_input")
    _consecutive_auto_reply_counter = _leading_to("_agentchat.auto_replies.counts")
    _max_consecutive_auto_reply_dict = _leading_to("_agentchat.auto_replies.limits")
    _format_json_str = staticmethod(strict_json)

    @property
    def _oai_system_message(self) -> list[_SystemMessage]:
        return [_SystemMessage(self)]

    @_oai_system_message.setter
    def _oai_system_message(self, messages: Sequence[Mapping[str, str]]) -> None:
        self.system_message = messages[0]["content"] if messages else ""

    @property
    def _reply_func_list(self) -> list[Any]:
        raise AttributeError  # `__getattr__` says what to do instead

    @_reply_func_list.setter
    def _reply_func_list(self, functions: Sequence[Any]) -> None:
        if functions:
            raise ConfigError(f"_reply_func_list can only be emptied here; {NOT_HERE['_reply_func_list']}")
        self._agentchat.replies.clear()

    def generate_code_execution_reply(
        self, messages: list[dict[str, Any]] | None = None, sender: Any = None, config: Any = None
    ) -> tuple[bool, None]:
        """A reply function that lets the next one answer: no code is run here."""
        return False, None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_overrides(cls, NOT_CALLED)

    def __getattr__(self, name: str) -> Any:
        sentence = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(f"{sentence}: {NOT_HERE[name]}" if name in NOT_HERE else sentence)
