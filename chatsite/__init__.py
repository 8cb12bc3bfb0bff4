"""The Django project around the app: settings from the environment, the addresses, and two agents to try.

Nothing in `agentchat` knows of it. A project of your own takes its place; the README says how.
"""
