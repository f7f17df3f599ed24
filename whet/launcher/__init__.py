"""The same verb on another machine: a recipe is trained by a service, and measured here."""
