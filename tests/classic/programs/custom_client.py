# replies: []

from types import SimpleNamespace

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class CustomModelClient:
    """Of the notebook about local models."""

    def __init__(self, config, **kwargs):
        self.device = config["device"]
        self.name = kwargs["name"]

    def create(self, params):
        message = SimpleNamespace(
            content=f"{self.name} on {self.device}: {params['messages'][-1]['content']}", function_call=None
        )
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], model=params["model"])

    def message_retrieval(self, response):
        return [choice.message.content for choice in response.choices]

    def cost(self, response):
        response.cost = 0
        return 0

    @staticmethod
    def get_usage(response):
        return {}


entry = {"model": "local", "model_client_cls": "CustomModelClient", "device": "cpu"}
bot = autogen.AssistantAgent("bot", llm_config={"config_list": [entry], "cache_seed": None})
bot.register_model_client(model_client_cls=CustomModelClient, name="mine")
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
assert user.initiate_chat(bot, message="hi", max_turns=1).summary == "mine on cpu: hi"
