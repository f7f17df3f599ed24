"""Faults planted into exports, one each, and sound exports beside them: does the proof see and name them?

bases.py and runs.py make the tuned models, faults.py and its neighbours plant, measure.py exports, plants and proves;
bench/planted_releases.py is the command.
"""
