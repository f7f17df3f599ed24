"""The parts of a model card (whet/reports/model_card.py)."""
