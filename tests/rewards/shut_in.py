# ruff: noqa: E501 - programs, one a line
"""Programs for the sandbox: attacks, forgeries, and honest answers. `python -m tests.rewards.shut_in PID` runs them all and
prints which of them did not end as they must: by itself, so that another user can run it with another Python."""

from __future__ import annotations

import json
import os
import platform
import sys

from whet.rewards.sandbox import process as sandbox
from whet.rewards.sandbox.process import Limits, Outcome, run

LIMITS = Limits(seconds=3)
CALL = """import ctypes, os
def call(*a):
  libc = ctypes.CDLL(None, use_errno=True)
  if libc.syscall(*a) == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
DENIED = "PermissionError"
ATTACKS: dict[str, tuple[str, str]] = {
    "kill": ("os.kill(BYSTANDER, 9)", DENIED),
    "kill a group": ("os.killpg(os.getppid(), 9)", DENIED),
    "owner of a pipe": ("import fcntl; fcntl.fcntl(1, fcntl.F_SETOWN, BYSTANDER)", DENIED),
    "owner of a pipe, extended": ("call(72, 1, 15, b'12345678')", DENIED),
    "signal of a pipe": ("import fcntl; fcntl.fcntl(1, 10, 9)", DENIED),
    "asynchronous pipe": ("import fcntl; fcntl.fcntl(1, fcntl.F_SETFL, os.O_ASYNC)", DENIED),
    "notice of a folder": ("import fcntl; fcntl.fcntl(os.open(os.path.dirname(os.__file__), 0), 1026, 1)", DENIED),
    "ioctl FIOASYNC": ("import fcntl; fcntl.ioctl(1, 0x5452, b'1000')", DENIED),
    "ioctl FIOSETOWN": ("import fcntl; fcntl.ioctl(1, 0x8901, b'1000')", DENIED),
    "ioctl TIOCSTI": ("import fcntl; fcntl.ioctl(1, 0x5412, b'x')", DENIED),
    "queued signal": ("call(129, BYSTANDER, 9, bytes(128))", DENIED),
    "poisoned page": ("call(28, ctypes.c_void_p(0x1000), ctypes.c_size_t(4096), 100)", DENIED),
    "fork bomb": ("\n  while True: os.fork()", DENIED),
    "processes": ("import subprocess; subprocess.run(['/bin/ls'])", DENIED),
    "exec": ("os.execv('/bin/ls', ['ls'])", DENIED),
    "threads": ("import threading; threading.Thread(target=print).start()", "can't start new thread"),
    "memory": ("bytearray(2 << 30)", "MemoryError"),
    "shared memory": ("call(29, 0, ctypes.c_size_t(1 << 20), 0o1666)", DENIED),
    "written file": ("open('/tmp/whet-escaped', 'w')", DENIED),
    "written device": ("os.open('/dev/null', os.O_RDWR)", DENIED),
    "removed file": ("os.remove('/tmp/whet-escaped')", DENIED),
    "network": ("import socket; socket.socket()", DENIED),
    "unix socket": ("import socket; socket.socketpair()", DENIED),
    "ptrace": ("call(101, 16, BYSTANDER, 0, 0)", DENIED),
    "memory of another": ("call(310, BYSTANDER, b'', 0, b'', 0, 0)", DENIED),
    "memory file of another": ("open(f'/proc/{BYSTANDER}/mem', 'rb').read(1)", "Error"),
    "another user": ("os.setuid(0)", DENIED),
    "limits": ("import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))", "not allowed"),
    "lifted filter": ("call(157, 22, 0, 0, 0, 0)", DENIED),
    "io_uring": ("call(425, 1, bytes(120))", DENIED),
    "endless output": ("\n  while True: print('x' * 9999)", "wrote more than 1 MB"),
    "endless raw output": ("\n  while True: os.write(2, b'x' * 9999)", "wrote more than 1 MB"),
    "endless time": ("\n  while True: pass", "stopped after 3 seconds"),
    "asleep": ("import time; time.sleep(60)", "stopped after 3 seconds"),
}  # fmt: skip
"""What an answer does when it is called, and a word of what it hears."""

OF_ANY_PROCESSOR = [(name, rest) for name, rest in ATTACKS.items() if "call(" not in rest[0]]
"""Without those that name a call to the kernel by its number on x86_64."""

WRONG = "assert f(1) == 271828"
FORGED: dict[str, tuple[str, str]] = {
    "every descriptor": ("import os\nfor n in range(64):\n  try: os.write(n, b'passed')\n  except OSError: pass\nos._exit(0)", ""),
    "leaves before the tests": ("import os; os._exit(0)", ""),
    "leaves politely": ("import sys; sys.exit(0)", ""),
    "leaves within a test": ("import os\ndef f(x): os._exit(0)", "try: f(1)\nexcept Exception: pass"),
    "asks to leave within a test": ("def f(x): raise SystemExit(0)", "f(1)\nassert False"),
    "equal to everything": ("class A:\n  def __eq__(self, o): return True\n  def __bool__(self): return True\ndef f(x): return A()", ""),
    "a number equal to everything": ("class A(int):\n  def __eq__(self, o): return True\ndef f(x): return A()", ""),
    "a text equal to everything": ("class A(str):\n  def __eq__(self, o): return True\ndef f(x): return A()", "assert f(1) == 'y'"),
    "less than everything": ("class A:\n  def __lt__(self, o): return True\n  def __abs__(self): return self\n  def __sub__(self, o): return self\ndef f(x): return A()", "assert abs(f(1) - 5) < 1e-6"),
    "nothing when it is subtracted": ("class A:\n  def __sub__(self, o): return 0.0\n  __rsub__ = __sub__\ndef f(x): return A()", "assert abs(f(1) - 5) < 1e-6"),
    "nothing when it is subtracted from": ("class A:\n  def __sub__(self, o): return 0.0\n  __rsub__ = __sub__\ndef f(x): return A()", "assert abs(5 - f(1)) < 1e-6"),
    "itself when it is subtracted": ("class A(float):\n  def __sub__(self, o): return self\n  def __abs__(self): return 0.0\n  def __bool__(self): return False\ndef f(x): return A(7)", "assert abs(f(1) - 5) < 1e-6"),
    "false when it is subtracted": ("class A:\n  def __sub__(self, o): return self\n  def __bool__(self): return False\ndef f(x): return A()", "assert not f(1) - 5"),
    "what it was told when it was subtracted": ("class A(float):\n  def __sub__(self, o):\n    A.o = o\n    return 0.0\n  def __float__(self): return float(A.o)\n  o = 0\ndef f(x): return A()", "assert abs(f(1) - 5) < 1e-6"),
    "one when it is divided": ("class A:\n  def __truediv__(self, o): return 1.0\ndef f(x): return A()", "assert abs(f(1) / 5 - 1) < 1e-6"),
    "the end of what is gone through": ("def f(x): raise StopIteration", "assert all(map(lambda p: f(p[0]) == p[1], [(1, 2)]))"),
    "a class of the tests": ("def f(x): x.right = True", "class Seen:\n  right = False\ntry: f(Seen)\nexcept AttributeError: pass\nassert Seen.right"),
    "the mock that equals everything": ("from unittest.mock import ANY\ndef f(x): return ANY", ""),
    "the class of that mock": ("from unittest.mock import ANY\nf = lambda x: type(ANY)()", ""),
    "built-ins of its own": ("import builtins\nbuiltins.AssertionError = type('E', (Exception,), {})\nall = any = bool = isinstance = lambda *a: True\ndef f(x): return 0", "assert all([f(1) == 2])"),
    "frames": ("import sys\ndef f(x):\n  frame = sys._getframe()\n  while frame:\n    for v in frame.f_locals.values():\n      if isinstance(v, int): x = v\n    frame = frame.f_back\n  return x", ""),
    "all objects": ("import gc\ndef f(x): return next(o for o in gc.get_objects() if isinstance(o, dict) and 'expected' in o)['expected']", "expected = 41\nassert f(1) == expected"),
    "names of the tests": ("def f(x): return expected", "expected = 41\nassert f(1) == expected"),
    "a function of the tests": ("def f(x): return right(x)", "def right(x): return x + 40\nassert f(1) == right(1)"),
    "the globals of a callback": ("def f(x): return x.__globals__['expected']", "expected = 41\nassert f(lambda: 1) == expected"),
    "the frame of a generator": ("def f(x): return x.gi_frame.f_back.f_globals['expected']", "expected = 41\nassert f(n for n in [1]) == expected"),
    "says yes to all that is asked": ("import sys\npeer = sys.modules['whet.rewards.sandbox.wire'].Peer\ndef yes(self, m):\n  table = sys.modules['whet.rewards.sandbox.wire'].Table()\n  self._decoded(m['with'], m, table)\n  self._send({'gave': True}, table)\npeer._answer = yes", ""),
    "a question that no answer asks": ("import sys\ndef f(x):\n  import gc\n  wire = sys.modules['whet.rewards.sandbox.wire']\n  peer = next(o for o in gc.get_objects() if isinstance(o, wire.Peer))\n  return peer.ask('exec', 'pass')", ""),
    "replies of another form": ("import os, struct\nfor n in range(3, 64):\n  try: os.write(n, struct.pack('I', 2) + b'[]')\n  except OSError: pass", ""),
    "a class that makes the tests leave": ("import os\nf = os._exit", "f(0)\nassert False"),
    "raises the end of iteration": ("def f(x): raise StopIteration", "assert [n for n in [1] if f(n)] == [1]"),
    "raises to be excused": ("def f(x): raise KeyboardInterrupt", ""),
    "traces the tests away": ("import os, sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: os._exit(0))\ndef f(x): return 0", ""),
    "registers for the end": ("import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 0", ""),
    "reads the tests": ("import os\ndef f(x):\n  for pid in os.listdir('/proc'):\n    pass\n  return 2", "assert f(1) == 3"),
}  # fmt: skip
"""An answer that is wrong and wants to be right, and the tests; where none are given, WRONG."""

HONEST: dict[str, tuple[str, str]] = {
    "plain values": ("def f(*a, **k): return a, k", "assert f(1, 2.5, 'x', b'y', None, z=[{1: {2}}]) == ((1, 2.5, 'x', b'y', None), {'z': [{1: {2}}]})"),
    "large numbers": ("def f(n): return 7 ** n", "assert f(9000) == 7 ** 9000"),
    "not a number": ("def f(): return float('nan'), float('-inf')", "a, b = f()\nassert a != a and b < 0"),
    "letters": ("def f(s): return s[::-1]", "assert f('aé😀\\udc80') == '\\udc80😀éa'"),
    "in place": ("def f(a): a.sort(); a[0].append(9); return a", "a = [[3], [1]]\ninner = a[1]\nassert f(a) is a and a == [[1, 9], [3]] and inner == [1, 9]"),
    "a dictionary in place": ("def f(d): d.pop('a'); d['b'] = [1]", "d = {'a': 1}\nf(d)\nassert d == {'b': [1]}"),
    "names of its imports": ("import math as m\nfrom typing import List\ndef f(x: List[int]): return m.sqrt(x)", "assert m.isclose(f(2), m.sqrt(2))\ndef g(x: List[int]): ..."),
    "a class": ("class P:\n  def __init__(self, x): self.x = x\n  def __add__(self, o): return P(self.x + o.x)\n  def __eq__(self, o): return self.x == o.x\n  def __len__(self): return 3\n  def __repr__(self): return 'P'", "p = P(1) + P(2)\nassert p == P(3) and p.x == 3 and len(p) == 3 and isinstance(p, P) and repr(p) == 'P' and p != P(4)\np.x = 5\nassert P.__name__ == 'P' and p.x == 5"),
    "reckoning": ("class V:\n  def __init__(self, x): self.x = x\n  def __mul__(self, n): return V(self.x * n)\n  __rmul__ = __mul__\n  def __sub__(self, n): return V(self.x - n)\n  def __eq__(self, o): return self.x == o.x", "assert V(2) * 3 == V(6) == 3 * V(2) and (V(5) - 1).x == 4"),
    "numbers of its own": ("class M(int):\n  def __add__(self, o): return M((int(self) + o) % 7)\nclass F(float): pass\ndef f(): return F(2.5)", "assert M(3) + 5 == M(1) and abs(f() - 2.5) < 1e-9 and f() * 2 == 5 and round(f() - 0.5) == 2"),
    "a generator that is sent to": ("def f():\n  x = yield 1\n  yield x + 1", "g = f()\nassert next(g) == 1 and g.send(4) == 5"),
    "a solution": ("class Solution:\n  def two(self, nums, target):\n    return [0, 1]", "assert Solution().two([2, 7], 9) == [0, 1]"),
    "a class of the tests": ("def build(values):\n  head = None\n  for v in reversed(values): head = Node(v, head)\n  return head", "class Node:\n  def __init__(self, v, n): self.v, self.next = v, n\nn = build([1, 2])\nassert n.v == 1 and n.next.v == 2 and n.next.next is None"),
    "an object of the tests": ("def f(n):\n  n.v += 1\n  return n", "class Node:\n  v = 1\nn = Node()\nassert f(n) is n and n.v == 2"),
    "named tuples": ("from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return P(1, 2)", "assert f() == (1, 2) and f().y == 2 and list(f()) == [1, 2]"),
    "enums": ("import enum\nclass C(enum.Enum):\n  A = 1\ndef f(): return C.A", "assert f() is C.A and f() == C.A and f().name == 'A'"),
    "dataclasses": ("from dataclasses import dataclass\n@dataclass\nclass D:\n  x: int = 1", "assert D() == D(1) and D(2).x == 2"),
    "counters and such": ("from collections import Counter, OrderedDict, defaultdict, deque\nfrom fractions import Fraction\ndef f(s):\n  d = defaultdict(int)\n  d[s] += 1\n  return Counter(s), d, deque([1]), Fraction(1, 2), OrderedDict(a=1)", "from fractions import Fraction\nfrom collections import Counter\nassert f('aab') == (Counter('aab'), {'aab': 1}, __import__('collections').deque([1]), Fraction(1, 2), {'a': 1})"),
    "dates": ("import datetime\ndef f(d): return d + datetime.timedelta(1)", "import datetime\nassert f(datetime.date(2024, 2, 28)) == datetime.date(2024, 2, 29)"),
    "generators": ("def f(n):\n  for i in range(n): yield i", "assert list(f(3)) == [0, 1, 2]\ng = f(1)\nassert next(g) == 0 and next(g, None) is None"),
    "callbacks": ("def f(g, xs): return [g(x) for x in xs]", "assert f(lambda x: x * 2, [1, 2]) == [2, 4]"),
    "keys": ("def key(x): return -x", "assert sorted([1, 3, 2], key=key) == [3, 2, 1] and list(map(key, [1])) == [-1]"),
    "closures": ("def f(n): return lambda x: x + n", "assert f(2)(3) == 5"),
    "decorators": ("def twice(g): return lambda *a: g(g(*a))", "@twice\ndef inc(x): return x + 1\nassert inc(1) == 3"),
    "errors": ("def f(x):\n  if x < 0: raise ValueError('negative', x)\n  return {}['no']", "try: f(-1)\nexcept ValueError as e: assert e.args == ('negative', -1)\nelse: assert False\ntry: f(1)\nexcept KeyError: pass"),
    "errors of its own": ("class Bad(ValueError):\n  def __init__(self, code): super().__init__('bad'); self.code = code\ndef f(): raise Bad(7)", "try: f()\nexcept Bad as e: assert e.code == 7 and str(e) == 'bad'\ntry: f()\nexcept ValueError: pass"),
    "errors of the library": ("import json\ndef f(s): return json.loads(s)", "import json\ntry: f('{')\nexcept json.JSONDecodeError: pass\nelse: assert False"),
    "an error of a callback": ("def f(g):\n  try: g()\n  except ValueError: return 'caught'", "def g(): raise ValueError\nassert f(g) == 'caught'"),
    "what it prints": ("def f(): print('hello', end='')", "import io, contextlib\nout = io.StringIO()\nwith contextlib.redirect_stdout(out): f()\nassert out.getvalue() == 'hello'"),
    "a function named as a built-in": ("def sum(a, b): return a * b", "assert sum(3, 4) == 12"),
    "with": ("import contextlib\n@contextlib.contextmanager\ndef f(): yield 3", "with f() as x: assert x == 3"),
    "a check of a candidate": ("def add(a, b): return a + b", "def check(candidate):\n  assert candidate(2, 3) == 5\ncheck(add)"),
    "unittest": ("def f(x): return x + 1", "import unittest\nclass T(unittest.TestCase):\n  def test(self): self.assertEqual(f(1), 2)\nr = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))\nassert r.wasSuccessful() and r.testsRun == 1"),
    "recursion": ("def f(n): return n if n < 2 else f(n - 1) + f(n - 2)", "assert f(15) == 610"),
    "much output": ("print('x' * 100_000)", ""),
    "the library": ("import math, re, json, random, collections, functools, itertools, dataclasses, typing, datetime, statistics, heapq, bisect, string, copy, decimal, hashlib, textwrap, enum", "import sqlite3, zoneinfo"),
    "a matrix": ("def f(m): return [list(r) for r in zip(*m)]", "assert f([[1, 2], [3, 4]]) == [[1, 3], [2, 4]]"),
    "a cycle": ("def f(a): a.append(a); return a", "a = []\nassert f(a) is a and a[0] is a"),
}  # fmt: skip
"""Answers that are right, with tests that say so."""


TAMPERING = {"every descriptor", "replies of another form", "the globals of a callback", "the frame of a generator",
             "a question that no answer asks"}  # fmt: skip
"""Forgeries that reach for what says the result, and are counted."""


def attack(code: str, bystander: int) -> tuple[str, str]:
    body = code.replace("BYSTANDER", str(bystander))
    return f"{CALL}def f():\n  {body}\n  return 'done'", "f()"


def every(bystander: int) -> list[tuple[str, str, str, str]]:
    """(kind and name, answer, tests, what must be said) of every program that must not pass, then of those that must."""
    attacks = ATTACKS.items() if platform.machine() == "x86_64" else OF_ANY_PROCESSOR
    found = [(f"attack: {name}", *attack(code, bystander), word) for name, (code, word) in attacks]
    found += [(f"forged: {name}", code, tests or WRONG, "") for name, (code, tests) in FORGED.items()]
    return found + [(f"honest: {name}", code, tests, "") for name, (code, tests) in HONEST.items()]


def wrong(name: str, word: str, outcome: Outcome) -> str:
    """What is wrong about an outcome; nothing where it is as it must be."""
    if outcome.tampered != (name.removeprefix("forged: ") in TAMPERING):
        return f"{name}: {'is' if outcome.tampered else 'is not'} counted as tampering: {outcome.said}"
    if name.startswith("honest"):
        return "" if outcome.passed else f"{name}: did not pass: {outcome.said}"
    return f"{name}: {outcome}" if outcome.passed or word not in outcome.said else ""


if __name__ == "__main__":  # the process id of a bystander; then `bare` for the filter without layers
    if "bare" in sys.argv:
        sandbox.layers = lambda: ()
    found = [wrong(name, word, run(code, tests, LIMITS)) for name, code, tests, word in every(int(sys.argv[1]))]
    print(json.dumps({"user": os.geteuid(), "layers": sandbox.layers(), "wrong": [text for text in found if text]}))
