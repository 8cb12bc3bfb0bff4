# replies: ["question?", "bye TERMINATE"]

import asyncio

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class UserProxyWebAgent(autogen.UserProxyAgent):
    """Of the FastAPI demo: it replaces all reply functions, and waits for a page."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._reply_func_list = []
        kinds = [autogen.Agent, None]
        self.register_reply(kinds, autogen.ConversableAgent.generate_oai_reply)
        self.register_reply(kinds, autogen.ConversableAgent.generate_code_execution_reply)
        self.register_reply(kinds, autogen.ConversableAgent.generate_function_call_reply)
        self.register_reply(kinds, UserProxyWebAgent.a_check_termination_and_human_reply)

    async def a_check_termination_and_human_reply(self, messages=None, sender=None, config=None):
        if messages is None:
            messages = self._oai_messages[sender]
        reply = await self.a_get_human_input(f"Provide feedback to {sender.name}: ")
        reply = reply if reply or not self._is_termination_msg(messages[-1]) else "exit"
        if reply == "exit":
            self._consecutive_auto_reply_counter[sender] = 0
            return True, None
        if reply or self._max_consecutive_auto_reply_dict[sender] == 0:
            self._consecutive_auto_reply_counter[sender] = 0
            return True, reply
        self._consecutive_auto_reply_counter[sender] += 1
        return False, None

    def set_queues(self, sent, received):
        self.sent, self.received = sent, received

    async def a_get_human_input(self, prompt):
        await self.received.put(self.last_message()["content"])
        return await self.sent.get()


async def main():
    sent, received = asyncio.Queue(), asyncio.Queue()
    user = UserProxyWebAgent("user", human_input_mode="ALWAYS", code_execution_config=False)
    bot = autogen.AssistantAgent("bot", llm_config=llm_config)
    user.set_queues(sent, received)
    task = asyncio.create_task(user.a_initiate_chat(bot, clear_history=True, message="hi"))
    assert await received.get() == "question?"
    await sent.put("my answer")
    assert await received.get() == "bye TERMINATE"
    await sent.put("exit")
    await task
    return [message["content"] for message in user.chat_messages[bot]]


assert asyncio.run(main()) == ["hi", "question?", "my answer", "bye TERMINATE"]
