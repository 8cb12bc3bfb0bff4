"""What a site observes with, if it says so: OpenTelemetry (`genai.py`) and logs as JSON (`json_logs.py`)."""
