"""Platform adapters: Discord, Slack, and the sandbox that stands in for both."""
