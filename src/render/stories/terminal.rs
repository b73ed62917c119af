//! The stories on a terminal.

use super::Story;
use crate::render::style::{Options, Style};
use crate::render::terminal::report;

fn shown(story: &Story) -> String {
    let options = Options {
        width: 80,
        style: Style::Plain,
        report: Some("report/report.html"),
    };
    report(&story.view(), options)
}

#[test]
fn all_green_with_coverage() {
    insta::assert_snapshot!(shown(&super::all_green_with_coverage()), @r"
    Slowest
         120ms  tests/test_a.py::test_12
         110ms  tests/test_a.py::test_11
         100ms  tests/test_a.py::test_10
          90ms  tests/test_a.py::test_09
          80ms  tests/test_a.py::test_08
          70ms  tests/test_a.py::test_07
          60ms  tests/test_a.py::test_06
          50ms  tests/test_a.py::test_05
          40ms  tests/test_a.py::test_04
          30ms  tests/test_a.py::test_03

    Shards
      1/4  ██████████████████████████████    2m 3s  4 tests, predicted 1m 0s (+105%)
      2/4  ███████████████████████████      1m 51s  3 tests, predicted 1m 0s (+84%)
      3/4  ██████████████▋                   1m 0s  3 tests, predicted 1m 0s (+0%)
      4/4  ████████████████████████         1m 38s  3 tests, predicted 1m 0s (+64%)

    Coverage 54.5% (4 of 7 statements, 2 of 4 branches)
         40.0%  src/price.py
         66.7%  src/cart.py

    12 tests passed, 1 skipped in 2m 3s (4 shards)
    The whole report is in report/report.html
    ");
}

#[test]
fn one_failure() {
    insta::assert_snapshot!(shown(&super::one_failure()), @r"
    Failed
      tests/test_shop.py::test_total[a|b] (shard 2/2)
        tests/test_shop.py:14: assert 7 == 8
              def test_total():
                  cart = Cart([3, 4])
          >       assert cart.total() == 8
          E       assert 7 == 8
          E        +  where 7 = total()

          tests/test_shop.py:14: AssertionError

    Slowest
         420ms  tests/test_shop.py::test_total[a|b]
          40ms  tests/test_a.py::test_04
          30ms  tests/test_a.py::test_03
          20ms  tests/test_a.py::test_02
          10ms  tests/test_a.py::test_01

    Shards
      1/2  ████████████████████████           3.2s  2 tests, predicted 1m 0s (-95%)
      2/2  ██████████████████████████████     4.0s  3 tests, 1 failed, predicted 1m 0s (-93%)

    1 failed of 5 tests in 4.0s
    The whole report is in report/report.html
    ");
}

#[test]
fn a_missing_shard() {
    insta::assert_snapshot!(shown(&super::a_missing_shard()), @r"
    Slowest
          60ms  tests/test_a.py::test_06
          40ms  tests/test_a.py::test_04
          30ms  tests/test_a.py::test_03
          10ms  tests/test_a.py::test_01

    Shards
      1/3  ████████████████████████           3.2s  2 tests, predicted 1m 0s (-95%)
      2/3                                  no results
      3/3  ██████████████████████████████     4.0s  2 tests, predicted 1m 0s (-93%)

    Why it is red
      shard 2/3 gave no results; the result of its job is `test: cancelled`
        look for a time limit, a lost runner or too little memory, then run the job again
      the result of job `test` is `cancelled`
        see the log of that job

    4 tests passed in 4.0s, but shard 2/3 gave no results
    The whole report is in report/report.html
    ");
}

#[test]
fn a_crashed_shard() {
    insta::assert_snapshot!(shown(&super::a_crashed_shard()), @r"
    Lost
      tests/test_big.py::test_eats_memory (shard 2/2)
      tests/test_big.py::test_next (shard 2/2)

    Slowest
          40ms  tests/test_a.py::test_04
          30ms  tests/test_a.py::test_03
          20ms  tests/test_a.py::test_02
          10ms  tests/test_a.py::test_01

    Shards
      1/2  ██████████████████████████████     3.2s  2 tests, predicted 1m 0s (-95%)
      2/2  ██████████████                     1.5s  4 tests, 2 lost, predicted 1m 0s (-98%)

    Why it is red
      shard 2/2 crashed: it was ended by signal 9; it was running `tests/test_big.py::test_eats_memory`; 1 test never ran
        a running test is the first suspect: run it alone, and look at the memory of the job

    2 lost of 6 tests in 3.2s; shard 2/2 crashed
    The whole report is in report/report.html
    ");
}

#[test]
fn a_flaky_test() {
    insta::assert_snapshot!(shown(&super::a_flaky_test()), @r"
    Flaky
      tests/test_net.py::test_fetch (shard 1/2)

    Slowest
         900ms  tests/test_net.py::test_fetch
          40ms  tests/test_a.py::test_04
          30ms  tests/test_a.py::test_03
          20ms  tests/test_a.py::test_02
          10ms  tests/test_a.py::test_01

    Shards
      1/2  ██████████████████████████████     3.2s  3 tests, predicted 1m 0s (-95%)
      2/2  ██████████████                     1.5s  2 tests, predicted 1m 0s (-98%)

    4 tests passed, 1 flaky in 3.2s (2 shards)
    The whole report is in report/report.html
    ");
}

#[test]
fn a_collection_error() {
    insta::assert_snapshot!(shown(&super::a_collection_error()), @r"
    Slowest
          40ms  tests/test_a.py::test_04
          30ms  tests/test_a.py::test_03
          20ms  tests/test_a.py::test_02
          10ms  tests/test_a.py::test_01

    Shards
      1/2  ████████████                      600ms  2 tests, predicted 1m 0s (-99%)
      2/2  ██████████████████████████████     1.5s  2 tests, predicted 1m 0s (-98%)

    Why it is red
      shard 1/2 could not collect `tests/test_shop.py`: `ImportError: cannot import name 'Cart' from 'shop'` at tests/test_shop.py:1
        none of its tests ran: mend the import or the syntax there

    4 tests passed in 1.5s, but `tests/test_shop.py` could not be collected
    The whole report is in report/report.html
    ");
}

#[test]
fn nothing_ran() {
    insta::assert_snapshot!(shown(&super::nothing_ran()), @r"
    Why it is red
      no test ran, and a run without tests is never green
        check the paths and the options of the pytest command

    no test ran
    The whole report is in report/report.html
    ");
}

#[test]
fn colours_change_nothing_but_the_colour() {
    for story in [
        super::one_failure(),
        super::a_missing_shard(),
        super::a_flaky_test(),
    ] {
        let options = |style| Options {
            width: 80,
            style,
            report: None,
        };
        let view = story.view();
        let coloured = report(&view, options(Style::Ansi));
        assert!(coloured.contains("\u{1b}["));
        let plain = crate::render::visible::lines(&coloured);
        assert_eq!(plain, report(&view, options(Style::Plain)).replace('`', ""));
    }
}

#[test]
fn a_regression() {
    let story = super::a_regression();
    insta::assert_snapshot!(shown(&story), @r"
    Failed
      tests/test_shop.py::test_stock (known, shard 2/2)
        tests/test_shop.py:14: assert 7 == 8
              def test_total():
                  cart = Cart([3, 4])
          >       assert cart.total() == 8
          E       assert 7 == 8
          E        +  where 7 = total()

          tests/test_shop.py:14: AssertionError
      tests/test_shop.py::test_total (new, shard 2/2)
        tests/test_shop.py:14: assert 7 == 8
              def test_total():
                  cart = Cart([3, 4])
          >       assert cart.total() == 8
          E       assert 7 == 8
          E        +  where 7 = total()

          tests/test_shop.py:14: AssertionError

    Compared with fedcba98
              fixed  tests/test_a.py::test_01
      newly skipped  tests/test_shop.py::test_import
            removed  tests/test_shop.py::test_old|way
              added  tests/test_a.py::test_03
            renamed  tests/test_shop.py::test_cart
                 to  tests/test_shop.py::test_carts
             slower  1.5s to 4.2s  tests/test_shop.py::test_carts

    Slowest
          4.2s  tests/test_shop.py::test_carts
         420ms  tests/test_shop.py::test_stock
         420ms  tests/test_shop.py::test_total
          30ms  tests/test_a.py::test_03
          20ms  tests/test_a.py::test_02
          10ms  tests/test_a.py::test_01

    Shards
      1/2  ████████████████████████           3.2s  4 tests, predicted 1m 0s (-95%)
      2/2  ██████████████████████████████     4.0s  3 tests, 2 failed, predicted 1m 0s (-93%)

    2 failed of 7 tests in 4.0s
    The whole report is in report/report.html
    ");
}

#[test]
fn the_coverage_of_a_change() {
    let text = shown(&super::a_change());
    let part: String = text
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("Coverage of the change"))
        .take(3)
        .collect();
    insta::assert_snapshot!(part, @"
    Coverage of the change 55.6% (3 of 5 statements, 2 of 4 branches), since fedcba98
      src/price.py: 2-3
      src/cart.py: 1->3
    ");
}
