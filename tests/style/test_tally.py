# SPDX-License-Identifier: MIT
"""Cases are counted right: a count that is too good would hide everything else."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests'))
sys.dont_write_bytecode = True
import tap  # noqa: E402


def tally(*tests):
    """Exit status and last line for a log of @tests: (stdout, result, returncode)."""
    with tempfile.NamedTemporaryFile('w', suffix='.json') as log:
        for number, (stdout, result, returncode) in enumerate(tests):
            print(json.dumps({'name': f't{number}', 'stdout': stdout, 'result': result,
                              'returncode': returncode}), file=log)
        log.flush()
        run = subprocess.run([ROOT / 'tests' / 'tally', log.name], capture_output=True, text=True, check=False)
        return run.returncode, run.stdout.splitlines()[-1]


class Tally(unittest.TestCase):
    def test_cases_are_counted_and_not_programs(self):
        self.assertEqual(tally(('1..2\nok 1 - a\nok 2 - b\n# ok - tests\n', 'OK', 0), ('ok 1 - c\n1..1\n', 'OK', 0)),
                         (0, '3 passed, 0 failed, 0 skipped'))

    def test_a_failed_case_is_one_failure(self):
        self.assertEqual(tally(('1..2\nok 1 - a\nnot ok 2 - b\n', 'FAIL', 1)), (1, '1 passed, 1 failed, 0 skipped'))

    def test_skipped_cases_and_programs_are_told_apart_from_passed_ones(self):
        self.assertEqual(tally(('1..2\nok 1 - a\nok 2 # SKIP b\n', 'OK', 0), ('1..0 # SKIP no data\n', 'SKIP', 0),
                               ('', 'SKIP', 77)), (0, '1 passed, 0 failed, 3 skipped'))

    def test_a_crash_after_good_cases_is_a_failure(self):
        self.assertEqual(tally(('1..2\nok 1 - a\nok 2 - b\n', 'ERROR', -11)), (1, '2 passed, 1 failed, 0 skipped'))
        self.assertEqual(tally(('1..3\nok 1 - a\nok 2 - b\n', 'ERROR', -6)), (1, '2 passed, 1 failed, 0 skipped'))

    def test_a_leak_report_after_good_cases_is_a_failure(self):
        self.assertEqual(tally(('1..1\nok 1 - a\n', 'ERROR', 23)), (1, '1 passed, 1 failed, 0 skipped'))

    def test_a_program_that_ran_out_of_time_is_a_failure(self):
        self.assertEqual(tally(('1..3\nok 1 - a\n', 'TIMEOUT', -15)), (1, '1 passed, 1 failed, 0 skipped'))
        self.assertEqual(tally(('', 'TIMEOUT', -15)), (1, '0 passed, 1 failed, 0 skipped'))

    def test_a_program_that_says_nothing_counts_by_its_exit_status(self):
        self.assertEqual(tally(('', 'OK', 0), ('', 'FAIL', 1)), (1, '1 passed, 1 failed, 0 skipped'))

    def test_the_tap_of_one_program_is_counted_too(self):
        with tempfile.NamedTemporaryFile('w', suffix='.tap') as log:
            log.write('ok 1 - a\nnot ok 2 - b\n1..2\n')
            log.flush()
            run = subprocess.run([ROOT / 'tests' / 'tally', log.name], capture_output=True, text=True, check=False)
        self.assertEqual(run.stdout.splitlines()[-1], '1 passed, 1 failed, 0 skipped')

    def test_no_case_at_all_is_a_failure(self):
        self.assertEqual(tally(), (1, '0 passed, 0 failed, 0 skipped'))


if __name__ == '__main__':
    tap.main()
