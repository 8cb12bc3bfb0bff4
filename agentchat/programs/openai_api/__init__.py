"""The API of OpenAI's chat completions, so that any client of it talks to agent functions: docs/integrations.md."""
