//! The stories as Markdown.

use crate::render::{comment, summary};

#[test]
fn all_green_with_coverage() {
    let story = super::all_green_with_coverage();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ✅ 12 tests passed, 1 skipped in 2m 3s (4 shards)

    | tests | passed | skipped | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 13 | 12 | 1 | 2m 3s | 780ms |

    ### Coverage: 54.5% (4 of 7 statements, 2 of 4 branches)

    <details><summary>The least covered of 2 files</summary>

    | file | coverage | missing statements | missing branches |
    |---|---:|---:|---:|
    | [`src/price.py`](https://github.com/o/r/blob/0123abcd/src/price.py) | 40.0% | 2 | 1 |
    | [`src/cart.py`](https://github.com/o/r/blob/0123abcd/src/cart.py) | 66.7% | 1 | 1 |

    </details>

    <details><summary>4 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████████ | 1/4 | 4 |  | 2m 3s | 1m 0s (+105%) |
    | ██████████████████ | 2/4 | 3 |  | 1m 51s | 1m 0s (+84%) |
    | █████████▊ | 3/4 | 3 |  | 1m 0s | 1m 0s (+0%) |
    | ████████████████ | 4/4 | 3 |  | 1m 38s | 1m 0s (+64%) |

    </details>

    <details><summary>The 10 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_a.py::test_12`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 120ms | 4/4 |
    | [`tests/test_a.py::test_11`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 110ms | 3/4 |
    | [`tests/test_a.py::test_10`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 100ms | 2/4 |
    | [`tests/test_a.py::test_09`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 90ms | 1/4 |
    | [`tests/test_a.py::test_08`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 80ms | 4/4 |
    | [`tests/test_a.py::test_07`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 70ms | 3/4 |
    | [`tests/test_a.py::test_06`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 60ms | 2/4 |
    | [`tests/test_a.py::test_05`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 50ms | 1/4 |
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 4/4 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 3/4 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn one_failure() {
    let story = super::one_failure();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ 1 failed of 5 tests in 4.0s

    | tests | passed | failed | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 5 | 4 | 1 | 4.0s | 520ms |

    ### ❌ 1 failed test

    - `tests/test_shop.py::test_total[a|b]` (shard 2/2)<br>[`tests/test_shop.py:14`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L14): `assert 7 == 8`

    <details><summary>Traceback</summary>

    ```text
        def test_total():
            cart = Cart([3, 4])
    >       assert cart.total() == 8
    E       assert 7 == 8
    E        +  where 7 = total()

    tests/test_shop.py:14: AssertionError
    ```

    </details>


    <details><summary>2 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████ | 1/2 | 2 |  | 3.2s | 1m 0s (-95%) |
    | ████████████████████ | 2/2 | 3 | 1 failed | 4.0s | 1m 0s (-93%) |

    </details>

    <details><summary>The 5 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_shop.py::test_total[a\|b]`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L10) | 420ms | 2/2 |
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 2/2 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 1/2 |
    | [`tests/test_a.py::test_02`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 20ms | 2/2 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/2 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn a_missing_shard() {
    let story = super::a_missing_shard();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ 4 tests passed in 4.0s, but shard 2/3 gave no results

    | tests | passed | wall time | test time |
    |---:|---:|---:|---:|
    | 4 | 4 | 4.0s | 140ms |

    ### Why it is red

    - shard 2/3 gave no results; the result of its job is `test: cancelled`<br>look for a time limit, a lost runner or too little memory, then run the job again
    - the result of job `test` is `cancelled`<br>see the log of that job

    <details><summary>3 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████ | 1/3 | 2 |  | 3.2s | 1m 0s (-95%) |
    |  | 2/3 | 0 |  | no results | 1m 0s |
    | ████████████████████ | 3/3 | 2 |  | 4.0s | 1m 0s (-93%) |

    </details>

    <details><summary>The 4 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_a.py::test_06`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 60ms | 3/3 |
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 1/3 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 3/3 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/3 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn a_crashed_shard() {
    let story = super::a_crashed_shard();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ 2 lost of 6 tests in 3.2s; shard 2/2 crashed

    | tests | passed | lost | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 6 | 4 | 2 | 3.2s | 100ms |

    ### Why it is red

    - shard 2/2 crashed: it was ended by signal 9; it was running `tests/test_big.py::test_eats_memory`; 1 test never ran<br>a running test is the first suspect: run it alone, and look at the memory of the job

    ### ❌ 2 lost tests

    - `tests/test_big.py::test_eats_memory` (shard 2/2)<br>[`tests/test_big.py:10`](https://github.com/o/r/blob/0123abcd/tests/test_big.py#L10)
    - `tests/test_big.py::test_next` (shard 2/2)<br>[`tests/test_big.py:10`](https://github.com/o/r/blob/0123abcd/tests/test_big.py#L10)

    <details><summary>2 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████████ | 1/2 | 2 |  | 3.2s | 1m 0s (-95%) |
    | █████████▍ | 2/2 | 4 | 2 lost | 1.5s | 1m 0s (-98%) |

    </details>

    <details><summary>The 4 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 2/2 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 1/2 |
    | [`tests/test_a.py::test_02`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 20ms | 2/2 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/2 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn a_flaky_test() {
    let story = super::a_flaky_test();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ✅ 4 tests passed, 1 flaky in 3.2s (2 shards)

    | tests | passed | flaky | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 5 | 4 | 1 | 3.2s | 1.0s |

    ### ⚠️ 1 flaky test

    - `tests/test_net.py::test_fetch` (shard 1/2, 3 attempts)<br>[`tests/test_shop.py:7`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L7): `TimeoutError: no answer`

    <details><summary>Traceback</summary>

    An attempt that was repeated:

    ```text
    E  TimeoutError
    ```

    </details>


    <details><summary>2 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████████ | 1/2 | 3 | 1 flaky | 3.2s | 1m 0s (-95%) |
    | █████████▍ | 2/2 | 2 |  | 1.5s | 1m 0s (-98%) |

    </details>

    <details><summary>The 5 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_net.py::test_fetch`](https://github.com/o/r/blob/0123abcd/tests/test_net.py#L10) | 900ms | 1/2 |
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 2/2 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 1/2 |
    | [`tests/test_a.py::test_02`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 20ms | 2/2 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/2 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn a_collection_error() {
    let story = super::a_collection_error();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ 4 tests passed in 1.5s, but `tests/test_shop.py` could not be collected

    | tests | passed | wall time | test time |
    |---:|---:|---:|---:|
    | 4 | 4 | 1.5s | 100ms |

    ### Why it is red

    - shard 1/2 could not collect `tests/test_shop.py`: `ImportError: cannot import name 'Cart' from 'shop'` at [`tests/test_shop.py:1`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L1)<br>none of its tests ran: mend the import or the syntax there

    <details><summary>2 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████ | 1/2 | 2 |  | 600ms | 1m 0s (-99%) |
    | ████████████████████ | 2/2 | 2 |  | 1.5s | 1m 0s (-98%) |

    </details>

    <details><summary>The 4 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 2/2 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 1/2 |
    | [`tests/test_a.py::test_02`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 20ms | 2/2 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/2 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn nothing_ran() {
    let story = super::nothing_ran();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ no test ran

    ### Why it is red

    - no test ran, and a run without tests is never green<br>check the paths and the options of the pytest command

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn the_job_summary_of_one_failure_shows_its_output_too() {
    let story = super::one_failure();
    insta::assert_snapshot!(summary::summary(&story.view(), summary::JOB_SUMMARY_BYTES), @r"
    ## ❌ 1 failed of 5 tests in 4.0s

    | tests | passed | failed | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 5 | 4 | 1 | 4.0s | 520ms |

    ### ❌ 1 failed test

    - `tests/test_shop.py::test_total[a|b]` (shard 2/2)<br>[`tests/test_shop.py:14`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L14): `assert 7 == 8`

    <details><summary>Traceback and output</summary>

    ```text
        def test_total():
            cart = Cart([3, 4])
    >       assert cart.total() == 8
    E       assert 7 == 8
    E        +  where 7 = total()

    tests/test_shop.py:14: AssertionError
    ```

    Captured stdout:

    ```text
    adding 3
    adding 4
    ```

    </details>


    ```mermaid
    gantt
      dateFormat x
      axisFormat %ss
      section 1/2
      3.2s :active, 0, 3200
      predicted 1m 0s :done, 0, 60000
      section 2/2
      4.0s :crit, 0, 4000
      predicted 1m 0s :done, 0, 60000
    ```

    <details><summary>2 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████ | 1/2 | 2 |  | 3.2s | 1m 0s (-95%) |
    | ████████████████████ | 2/2 | 3 | 1 failed | 4.0s | 1m 0s (-93%) |

    </details>

    <details><summary>The 5 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_shop.py::test_total[a\|b]`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L10) | 420ms | 2/2 |
    | [`tests/test_a.py::test_04`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 40ms | 2/2 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 1/2 |
    | [`tests/test_a.py::test_02`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 20ms | 2/2 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/2 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn a_title_tells_several_results_apart() {
    let story = super::nothing_ran();
    let mut view = story.view();
    view.title = Some("unit");
    insta::assert_snapshot!(comment::comment(&view), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ `unit`: no test ran

    ### Why it is red

    - no test ran, and a run without tests is never green<br>check the paths and the options of the pytest command

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn a_regression() {
    let story = super::a_regression();
    insta::assert_snapshot!(comment::comment(&story.view()), @r"
    <!-- parallel-pytest:tests -->
    ## ❌ 2 failed of 7 tests in 4.0s

    | tests | passed | failed | errors | skipped | wall time | test time |
    |---:|---:|---:|---:|---:|---:|---:|
    | 7 | 4 (-1) | 2 (+1) | 0 (-1) | 1 (+1) | 4.0s | 5.1s |

    ### ❌ 1 new failure

    - `tests/test_shop.py::test_total` (shard 2/2)<br>[`tests/test_shop.py:14`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L14): `assert 7 == 8`

    <details><summary>Traceback</summary>

    ```text
        def test_total():
            cart = Cart([3, 4])
    >       assert cart.total() == 8
    E       assert 7 == 8
    E        +  where 7 = total()

    tests/test_shop.py:14: AssertionError
    ```

    </details>


    ### ❌ 1 known failure

    - `tests/test_shop.py::test_stock` (shard 2/2)<br>[`tests/test_shop.py:14`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L14): `assert 7 == 8`

    <details><summary>Traceback</summary>

    ```text
        def test_total():
            cart = Cart([3, 4])
    >       assert cart.total() == 8
    E       assert 7 == 8
    E        +  where 7 = total()

    tests/test_shop.py:14: AssertionError
    ```

    </details>


    ### ✅ 1 fixed test

    - `tests/test_a.py::test_01`

    ### ⚠️ 1 newly skipped test

    - `tests/test_shop.py::test_import`

    <details><summary>1 slower test</summary>

    | test | before | now |
    |---|---:|---:|
    | `tests/test_shop.py::test_carts` | 1.5s | 4.2s |

    </details>

    <details><summary>Tests: 1 added, 1 removed and 1 renamed</summary>

    - removed `tests/test_shop.py::test_old|way`
    - renamed `tests/test_shop.py::test_cart` to `tests/test_shop.py::test_carts`
    - added `tests/test_a.py::test_03`

    </details>

    <details><summary>2 shards side by side</summary>

    |  | shard | tests | problems | time | predicted |
    |---|---:|---:|---:|---:|---:|
    | ████████████████ | 1/2 | 4 |  | 3.2s | 1m 0s (-95%) |
    | ████████████████████ | 2/2 | 3 | 2 failed | 4.0s | 1m 0s (-93%) |

    </details>

    <details><summary>The 6 slowest tests</summary>

    | test | time | shard |
    |---|---:|---:|
    | [`tests/test_shop.py::test_carts`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L10) | 4.2s | 1/2 |
    | [`tests/test_shop.py::test_stock`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L10) | 420ms | 2/2 |
    | [`tests/test_shop.py::test_total`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L10) | 420ms | 2/2 |
    | [`tests/test_a.py::test_03`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 30ms | 1/2 |
    | [`tests/test_a.py::test_02`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 20ms | 2/2 |
    | [`tests/test_a.py::test_01`](https://github.com/o/r/blob/0123abcd/tests/test_a.py#L10) | 10ms | 1/2 |

    </details>

    For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42), compared with `fedcba98`; [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)
    ");
}

#[test]
fn known_failures_that_do_not_count() {
    let story = super::known_failures_only();
    let text = comment::comment(&story.view());
    let start: String = text.split_inclusive('\n').take(12).collect();
    insta::assert_snapshot!(start, @r"
    <!-- parallel-pytest:tests -->
    ## ✅ 4 tests passed, 1 failed, 1 skipped in 4.0s (2 shards)

    | tests | passed | failed | errors | skipped | wall time | test time |
    |---:|---:|---:|---:|---:|---:|---:|
    | 6 (-1) | 4 (-1) | 1 | 0 (-1) | 1 (+1) | 4.0s | 4.7s |

    Does not count here, by the setting `fail-on`: 1 test failed

    ### ❌ 1 known failure

    - `tests/test_shop.py::test_stock` (shard 2/2)<br>[`tests/test_shop.py:14`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L14): `assert 7 == 8`
    ");
}

#[test]
fn the_coverage_of_a_change() {
    let story = super::a_change();
    let text = comment::comment(&story.view());
    let part: String = text
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("**Coverage of the change"))
        .take(9)
        .collect();
    insta::assert_snapshot!(part, @r"
    **Coverage of the change: 55.6% (3 of 5 statements, 2 of 4 branches)**, since `fedcba98`

    <details><summary>2 changed files with new statements</summary>

    | file | new lines that are missing | new statements | covered | whole file |
    |---|---|---:|---:|---:|
    | [`src/price.py`](https://github.com/o/r/blob/0123abcd/src/price.py) | [2–3](https://github.com/o/r/blob/0123abcd/src/price.py#L2-L3), 1 branch | 3 | 40.0% | 40.0% |
    | [`src/cart.py`](https://github.com/o/r/blob/0123abcd/src/cart.py) | 1 branch | 2 | 75.0% | 66.7% |

    ");
}

#[test]
fn a_baseline_that_is_not_there_is_said() {
    let story = super::one_failure();
    let mut view = story.view();
    view.not_compared = Some("no run of main has left a result\nmore");
    let text = comment::comment(&view);
    insta::assert_snapshot!(text.lines().last().unwrap_or_default(), @"For commit `0123abcd`, by [`CI`](https://github.com/o/r/actions/runs/42); not compared: no run of main has left a result; [the whole report](https://github.com/o/r/actions/runs/42/artifacts/7)");
}

#[test]
fn quarantined_tests_are_shown_and_do_not_count() {
    let story = super::a_quarantined_failure();
    let text = comment::comment(&story.view());
    let start: String = text.split_inclusive('\n').take(13).collect();
    insta::assert_snapshot!(start, @r"
    <!-- parallel-pytest:tests -->
    ## ✅ 4 tests passed, 1 failed in 4.0s (2 shards)

    | tests | passed | failed | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 5 | 4 | 1 | 4.0s | 520ms |

    Does not count here, by the settings: 1 test failed

    ### 🔇 1 quarantined test

    - `tests/test_shop.py::test_total[a|b]` failed (shard 2/2): waits for the new scheduler; `@shop`, until `2026-12-31`

    ");
}

#[test]
fn a_shard_that_was_run_again_says_so() {
    let mut story = super::all_green_with_coverage();
    story.report.shards[2].attempt = 2;
    let text = comment::comment(&story.view());
    let rows: String = text
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("|  | shard"))
        .take(6)
        .collect();
    insta::assert_snapshot!(rows, @r"
    |  | shard | tests | problems | time | predicted | attempt |
    |---|---:|---:|---:|---:|---:|---:|
    | ████████████████████ | 1/4 | 4 |  | 2m 3s | 1m 0s (+105%) | 1 |
    | ██████████████████ | 2/4 | 3 |  | 1m 51s | 1m 0s (+84%) | 1 |
    | █████████▊ | 3/4 | 3 |  | 1m 0s | 1m 0s (+0%) | 2 |
    | ████████████████ | 4/4 | 3 |  | 1m 38s | 1m 0s (+64%) | 1 |
    ");
}
