"""AG-UI 1.0, with streams that can be resumed: any frontend of it shows agent functions. docs/integrations.md."""
