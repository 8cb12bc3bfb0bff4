"""OpenAI's Responses API, for entries with `"api": "responses"`: another dialect for the same requests and answers.

`request_body` writes a request of the chat API in it, `parser` reads its stream as one of the chat API, `hosted_tools`
has the tools that the service runs by itself. Nothing depends on what the service remembers: requests say `store:
false`, and reasoning goes back encrypted with the calls that it led to.
"""
