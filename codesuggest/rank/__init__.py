"""From mentions to ranked billable codes."""
