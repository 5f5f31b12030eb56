"""What an environment declares, as data: alarms, dashboards, policies, container environments, deployment steps."""
