"""When documentation needs a physician: indicators, triggers, the query and its life."""
