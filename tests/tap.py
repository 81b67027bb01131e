# SPDX-License-Identifier: MIT
"""Runs unittest test cases and prints TAP; every Python test ends with `tap.main()`.

Names are sentences here too: the method `test_a_b_c` becomes `a_b_c`.
"""
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n_cases = 0

    def line(self, test, word, comment=''):
        self.n_cases += 1
        name = test.id().split('.')[-1].removeprefix('test_')
        print(f'{word} {self.n_cases} - {name}{comment}', flush=True)

    def why(self, err):
        for line in ''.join(traceback.format_exception(*err)).splitlines():
            print('#', line, flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line(test, 'ok')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, 'not ok')
        self.why(err)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line(test, 'not ok', f' {subtest._subDescription()}')
            self.why(err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line(test, 'ok', f' # SKIP {reason}')


def main():
    result = TapResult()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules['__main__'])
    suite.run(result)
    print(f'1..{result.n_cases}' + ('' if result.n_cases else ' # SKIP no test here'))
    sys.exit(0 if result.wasSuccessful() else 1)
