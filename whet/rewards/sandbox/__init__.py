"""Code of answers, shut in.

process.py starts it and hears how it ended; guard.py is the program in which it runs, and says what that may do;
layers.py and bubblewrap.py are what is around it where the machine has them. bridge.py keeps answer and tests in two
processes, which ask each other by wire.py and see each other's objects through proxy.py.
"""
