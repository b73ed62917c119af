//! What the reader makes of a small report of every program it knows, written after its format.

use std::fmt::Write as _;

use super::found::ReadEnd;
use super::read::read;

/// Every case with its time and its problems.
#[expect(
    clippy::use_debug,
    reason = "the names of the variants are what is listed"
)]
fn listing(report: &str) -> String {
    let report = read(report.as_bytes());
    assert_eq!(report.end, ReadEnd::Complete);
    let mut text = String::new();
    for case in report.cases.into_whole() {
        let _ = write!(text, "{} {}", case.outcome.name(), case.id);
        if case.attempts > 1 {
            let _ = write!(text, " x{}", case.attempts);
        }
        let _ = write!(text, " {} ms", case.duration().as_millis());
        if let Some(at) = &case.location {
            let _ = write!(text, " at {}:{}", at.path, at.line);
        }
        for (name, value) in &case.properties {
            let _ = write!(text, " {name}={value}");
        }
        for (what, output) in [("stdout", &case.stdout), ("stderr", &case.stderr)] {
            if !output.is_empty() {
                let _ = write!(text, " {what}={:?}", output.trim());
            }
        }
        text.push('\n');
        for problem in &case.problems {
            let lines = problem.text.lines().count();
            let _ = writeln!(text, "  {:?}: {} +{lines}", problem.kind, problem.message);
        }
    }
    for warning in report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

macro_rules! report {
    ($file:literal) => {
        listing(include_str!(concat!(
            "../../tests/fixtures/junit/producers/",
            $file
        )))
    };
}

#[test]
fn reads_surefire() {
    insta::assert_snapshot!(report!("surefire.xml"), @r#"
    passed org.shop.CartTest::adds 500 ms
    failed org.shop.CartTest::sums x2 250 ms stdout="second attempt"
      Failure: expected:<3> but was:<4> +2
      Rerun: expected:<3> but was:<5> +1
    flaky org.shop.CartTest::pays x2 125 ms
      Rerun: connection reset +1
    skipped org.shop.CartTest::ships 0 ms
      Skip: no carrier +0
    error org.shop.CartTest::boots 375 ms
      Error: java.lang.NullPointerException +2
    "#);
}

#[test]
fn reads_gradle() {
    insta::assert_snapshot!(report!("gradle.xml"), @"
    flaky org.shop.OrderTest::places() x2 10 ms
      Rerun: timed out +1
    failed org.shop.OrderTest::[1] amount=2, price=3 20 ms
      Failure: org.opentest4j.AssertionFailedError: expected: <6> but was: <5> +2
    skipped org.shop.OrderTest::refunds() 0 ms
      Skip:  +0
    ");
}

#[test]
fn reads_jest() {
    insta::assert_snapshot!(report!("jest.xml"), @"
    passed cart adds::cart adds 4 ms
    failed cart sums::cart sums 6 ms
      Failure: Error: expect(received).toBe(expected) // Object.is equality +5
    skipped cart ships::cart ships 0 ms
      Skip:  +0
    ");
}

#[test]
fn reads_mocha_junit_reporter() {
    insta::assert_snapshot!(report!("mocha-junit-reporter.xml"), @"
    passed adds::Cart adds 4 ms
    failed sums::Cart sums 7 ms
      Failure: expected 4 to equal 3 +2
    ");
}

#[test]
fn reads_mocha_xunit() {
    insta::assert_snapshot!(report!("mocha-xunit.xml"), @"
    passed Cart::adds 4 ms
    failed Cart::sums 7 ms
      Failure: expected 4 to equal 3 +3
    skipped Cart::ships 0 ms
      Skip:  +0
    ");
}

#[test]
fn reads_mocha_json() {
    insta::assert_snapshot!(report!("mocha.json"), @r#"
    passed Cart::adds 250 ms
    flaky Cart::pays x2 5 ms
      Rerun:  +0
    skipped Cart::ships 0 ms
      Skip:  +0
    failed Cart::sums 7 ms
      Failure: expected 4 to equal 3 +2
    error Cart::"before each" hook for "refunds" 1 ms
      Error: no database +1
    "#);
}

#[test]
fn reads_playwright() {
    insta::assert_snapshot!(report!("playwright.xml"), @r#"
    passed cart.spec.ts::cart › adds [chromium] 1000 ms
    passed cart.spec.ts::cart › pays [chromium] 500 ms stdout="[[ATTACHMENT|trace.zip]]"
    failed cart.spec.ts::cart › adds [firefox] 2000 ms
      Failure: cart.spec.ts:5:3 adds +5
    skipped cart.spec.ts::cart › pays [firefox] 0 ms
      Skip:  +1
    "#);
}

#[test]
fn reads_go_junit_report() {
    insta::assert_snapshot!(report!("go-junit-report.xml"), @"
    passed example.com/shop::TestAdd 60 ms
    failed example.com/shop::TestSum/two_of_three 100 ms
      Failure: Failed +1
    skipped example.com/shop::TestShip 0 ms
      Skip: cart_test.go:20: no carrier +0
    ");
}

#[test]
fn reads_gotestsum() {
    insta::assert_snapshot!(report!("gotestsum.xml"), @"
    passed example.com/shop::TestAdd 10 ms
    flaky example.com/shop::TestPay x2 100 ms
      Rerun: Failed +3
    ");
}

#[test]
fn reads_nextest() {
    insta::assert_snapshot!(report!("nextest.xml"), @r#"
    passed shop::cart::adds 100 ms
    flaky shop::cart::pays x2 100 ms stderr="first attempt"
      Rerun: thread 'pays' panicked at tests/cart.rs:9:5 +3
    failed shop::cart::sums x2 100 ms stdout="running 1 test"
      Failure: thread 'sums' panicked at tests/cart.rs:14:5 +1
      Rerun: again +1
    "#);
}

#[test]
fn reads_rspec() {
    insta::assert_snapshot!(report!("rspec.xml"), @"
    passed spec.cart_spec::Cart adds 10 ms at ./spec/cart_spec.rb:1
    failed spec.cart_spec::Cart sums 20 ms at ./spec/cart_spec.rb:1
      Failure: expected: 3      got: 4 +5
    skipped spec.cart_spec::Cart ships 0 ms at ./spec/cart_spec.rb:1
      Skip:  +0
    ");
}

#[test]
fn reads_phpunit() {
    insta::assert_snapshot!(report!("phpunit.xml"), @r"
    passed Shop.CartTest::testAdds 5 ms
    failed Shop.CartTest::testSums with data set #0 5 ms
      Failure: Shop\CartTest::testSums with data set #0 (2, 3) +4
    error Shop.CartTest::testPays 5 ms
      Error: Shop\CartTest::testPays +2
    skipped Shop.CartTest::testShips 5 ms
      Skip:  +0
    ");
}

#[test]
fn reads_bazel() {
    insta::assert_snapshot!(report!("bazel.xml"), @"
    error shop/cart_test 3000 ms
      Error: exited with error code 1 +0
    ");
}

#[test]
fn reads_ctest() {
    insta::assert_snapshot!(report!("ctest.xml"), @r#"
    passed adds::adds 10 ms stdout="fine"
    failed sums::sums 20 ms cmake_labels=unit stdout="3 is not 4"
      Failure: Failed +0
    skipped ships::ships 0 ms
      Skip: SKIP_RETURN_CODE=77 +0
    skipped pays::pays 0 ms stdout="Disabled"
    "#);
}

#[test]
fn reads_catch2() {
    insta::assert_snapshot!(report!("catch2.xml"), @"
    passed cart_tests.global::adds 1 ms
    failed cart_tests.global::sums/two of three 1 ms
      Failure: cart.sum() == 3 +7
    skipped cart_tests.global::ships 1 ms
      Skip: SKIPPED +4
    ");
}

#[test]
fn reads_googletest() {
    insta::assert_snapshot!(report!("googletest.xml"), @"
    passed Cart::Adds 1 ms at cart_test.cc:5
    failed Cart::Sums/0 3 ms at cart_test.cc:9
      Failure: cart_test.cc:11 +5
      Failure: cart_test.cc:12 +2
    skipped Cart::Ships 0 ms at cart_test.cc:15
      Skip: cart_test.cc:16 +2
    skipped Cart::DISABLED_Pays 0 ms at cart_test.cc:20
    ");
}

#[test]
fn reads_nunit3() {
    insta::assert_snapshot!(report!("nunit3.xml"), @r#"
    passed Shop.CartTest::Adds 250 ms Category=quick stdout="adding"
    failed Shop.CartTest::Sums(2,3) 125 ms
      Failure: Expected: 3 +3
    error Shop.CartTest::Pays 125 ms
      Error: System.Exception : reset +0
    skipped Shop.CartTest::Ships 0 ms
      Skip: no carrier +0
    skipped Shop.CartTest::Guesses 0 ms
      Skip:  +0
    error Shop.StockTest 0 ms
      Error: TearDown : System.Exception : still open +0
    "#);
}

#[test]
fn reads_nunit2() {
    insta::assert_snapshot!(report!("nunit2.xml"), @r#"
    passed Shop.CartTest::Adds 250 ms
    failed Shop.CartTest::Sums("a.b") 125 ms
      Failure: Expected: 3 +2
    error Shop.CartTest::Pays 125 ms
      Error: System.Exception : reset +0
    skipped Shop.CartTest::Ships 0 ms
      Skip: no carrier +0
    "#);
}

#[test]
fn reads_xunit_net() {
    insta::assert_snapshot!(report!("xunit-net.xml"), @r#"
    error Shop.StockTest::test-class-cleanup 0 ms
      Error: System.InvalidOperationException : still open +2
    passed Shop.CartTest::Adds 250 ms Category=quick stdout="adding"
    failed Shop.CartTest::Sums(a: 2, b: 3) 250 ms
      Failure: Assert.Equal() Failure: Values differ +2
    skipped Shop.CartTest::Ships 0 ms
      Skip: no carrier +0
    "#);
}

#[test]
fn reads_vstest() {
    insta::assert_snapshot!(report!("vstest.trx"), @r#"
    passed Shop.CartTest::Adds 250 ms stdout="adding"
    failed Shop.CartTest::Sums(2,3) 1500 ms
      Failure: Assert.AreEqual failed. Expected:<3>. Actual:<4>. +2
    skipped Shop.CartTest::Ships 0 ms
      Skip: no carrier +0
    error Shop.CartTest::Hangs 60000 ms
      Error: Timeout +0
    passed Shop.CartTest::Rows (Data Row 0) 200 ms
    failed Shop.CartTest::Rows (Data Row 1) 300 ms
      Failure:  +0
    "#);
}

#[test]
fn reads_node() {
    insta::assert_snapshot!(report!("node.tap"), @"
    passed cart::adds 1 ms
    failed cart::sums 250 ms
      Failure: Expected 3, got 4 +6
    skipped cart::ships 0 ms
      Skip: no carrier +0
    passed equal 0 ms
    passed equal (2) 0 ms
    xfailed guesses # well 0 ms
      Xfail: think first +0
    ");
}

#[test]
fn reads_dart() {
    insta::assert_snapshot!(report!("dart.json"), @r#"
    passed test/cart_test.dart::cart adds 250 ms stdout="adding"
    failed test/cart_test.dart::cart sums 125 ms
      Failure: Expected: <3> +3
    skipped test/cart_test.dart::cart ships 2 ms
      Skip: no carrier +0
    error test/cart_test.dart::cart pays 3 ms
      Error: Exception: reset +0
    "#);
}
