"""The report of a chaos run: what was done, what followed, what was lost, and how to play a round again."""

import json

from baton_proof.chaos import report
from baton_proof.chaos.draws import Draw, Fault, HitSide, Trouble
from baton_proof.chaos.report import Round, Run
from baton_proof.chaos.verdicts import Expected


def _round(number: int = 1) -> Round:
    draw = Draw(4, number, "us-east-1", (Trouble(Fault.PAUSE, HitSide.ACTIVE, 0, 50),))
    return Round(draw, Expected.FAILOVER, batches=20, in_flight=3, failovers=1, decided=20.0, through=31.5, load=4.2)


def _run(*rounds: Round, left_out: tuple[str, ...] = ()) -> Run:
    return Run(4, rounds, left_out, 2.5, "2 cores")


def test_a_good_run_says_so_and_names_what_was_done() -> None:
    text = report.markdown(_run(_round(), left_out=("packet loss: no right",)))

    assert _run(_round()).is_good
    assert "lost 0, doubled 0, other bytes 0, unexplained 0, false failovers 0" in text
    assert (
        "| 1 | us-east-1 | pause of the active for 50 s | failover | failover | 20.0 | - | 31.5 | 20, 3 | 4 | - |"
        in text
    )
    assert "Left out on this machine: packet loss: no right" in text
    assert "--seed 4 --only 1" in text
    assert "lost on AWS, too" in text


def test_a_failover_where_none_may_be_is_counted() -> None:
    wrong = _round()
    wrong.expected = Expected.NONE

    assert "false failovers 1" in report.markdown(_run(_round(), wrong))


def test_whatever_is_lost_doubled_different_or_unexplained_makes_a_bad_run() -> None:
    for name in ("lost", "doubled", "differing", "disagreements"):
        bad = _round(2)
        getattr(bad, name).append("b-1")
        run = _run(_round(), bad)
        assert not run.is_good
        assert f"**{name}**: ['b-1']" in report.markdown(run)


def test_a_round_that_broke_off_is_bad_and_is_counted() -> None:
    bad = _round()
    bad.broke = "not within 300 s: both Regions are healthy"

    assert not _run(bad).is_good
    assert "not played to the end 1" in report.markdown(_run(bad))


def test_machines_can_read_it() -> None:
    found = json.loads(json.dumps(report.document(_run(_round()))))

    assert found["is_good"] is True
    assert found["rounds"][0]["draw"]["troubles"][0]["fault"] == "pause"
