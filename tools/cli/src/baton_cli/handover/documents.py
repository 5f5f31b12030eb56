"""Answers about handovers as JSON, for scripts. Names and meanings never change; fields may be added."""

from baton.model.control import Control, Freeze, Transition
from baton.model.journal import Assessment, Command, Decision, Rule, WentBack
from baton_cli.batches.documents import Json
from baton_cli.handover.by_hand import Realigned
from baton_cli.handover.epoch import Raised
from baton_cli.handover.orders import Standing, since
from baton_cli.handover.planning import SwitchPlan
from baton_cli.handover.queries import ControllerView, Explained, Situation


def command(command: Command) -> dict[str, Json]:
    """Return one command as it stands in the journal."""
    return {
        "command_id": command.id,
        "kind": command.kind.value,
        "by": command.by,
        "at": command.at.isoformat(),
        "reason": command.reason,
        "target": command.target,
        "force": command.force,
        "until": command.until.isoformat() if command.until else None,
        "blocking_alarm": command.blocking_alarm,
        "freeze_id": command.freeze_id,
        "state": command.state.value,
        "answer": command.answer,
        "settled_at": command.settled_at.isoformat() if command.settled_at else None,
        "settled_by": command.settled_by,
        "settled_operator": command.settled_operator,
    }


def order(standing: Standing) -> dict[str, Json]:
    """Return a command with its outcome so far. `seconds` is how long it was waited for."""
    control = standing.control
    return command(standing.command) | {
        "outcome": standing.outcome.value,
        "seconds": round(since(standing).total_seconds(), 3),
        "epoch": control.epoch if control else None,
        "active_region": control.active_region if control else None,
        "transition": transition(standing.transition) if standing.transition else None,
    }


def kept(kept: Realigned) -> dict[str, Json]:
    """Return what was brought in line with a control row that named the Region already."""
    return {
        "epoch": kept.control.epoch,
        "active_region": kept.control.active_region,
        "missing": [step.value for step in kept.missing],
        "steps": [{"step": each.step.value, "done": each.done, "note": each.note} for each in kept.results],
    }


def transition(transition: Transition) -> dict[str, Json]:
    """Return one switch with its steps. `outcome` is null while it is under way."""
    return {
        "transition_id": transition.id,
        "kind": transition.kind.value,
        "source": transition.source,
        "target": transition.target,
        "reason": transition.reason,
        "automatic": transition.automatic,
        "command_id": transition.command_id,
        "started_at": transition.started_at.isoformat(),
        "ended_at": transition.ended_at.isoformat() if transition.ended_at else None,
        "outcome": transition.outcome,
        "ended": transition.ended.value if transition.ended else None,
        "note": transition.note,
        "degraded": [step.value for step in transition.degraded],
        "taken_over": transition.taken_over,
        "steps": [
            {
                "step": step.step.value,
                "outcome": step.outcome.value,
                "at": step.at.isoformat(),
                "by": step.by,
                "operator": step.operator,
                "note": step.note,
            }
            for step in transition.steps
        ],
    }


def decision(decision: Decision) -> dict[str, Json]:
    """Return one decision without the assessment behind it."""
    return {
        "decision_id": decision.id,
        "at": decision.at.isoformat(),
        "region": decision.region,
        "operator": decision.operator,
        "kind": decision.kind.value,
        "epoch": decision.epoch,
        "summary": decision.summary,
        "transition_id": decision.transition_id,
        "command_id": decision.command_id,
        "ended": decision.ended.value if decision.ended else None,
        "taken_over": decision.taken_over,
    }


def rule(rule: Rule) -> dict[str, Json]:
    return {
        "name": rule.name,
        "verdict": rule.verdict.value,
        "value": rule.value,
        "threshold": rule.threshold,
        "age_seconds": rule.age_seconds,
        "blocks": rule.blocks,
        "witness": rule.witness.value if rule.witness else None,
        "voice": rule.voice.value if rule.voice else None,
        "note": rule.note,
    }


def assessment(assessment: Assessment) -> dict[str, Json]:
    """Return the whole assessment of a controller. `epoch` is null if the ledger did not answer it."""
    return {
        "conclusion": assessment.conclusion,
        "at": assessment.at.isoformat(),
        "region": assessment.region,
        "epoch": assessment.epoch,
        "state": assessment.standing,
        "overlays": [overlay.value for overlay in assessment.overlays],
        "evidence": [rule(each) for each in assessment.evidence],
        "readiness": [rule(each) for each in assessment.readiness],
        "brakes": [rule(each) for each in assessment.brakes],
        "went_back": went_back(assessment.went_back),
    }


def went_back(found: WentBack | None) -> dict[str, Json] | None:
    """Return how far a restored ledger had been, and what raises it above that; null: it was not restored."""
    if found is None:
        return None
    return {
        "known_epoch": found.known.epoch,
        "known_revision": found.known.revision,
        "found_epoch": found.found.epoch,
        "found_revision": found.found.revision,
        "epoch_at_least": found.at_least,
    }


def epoch(done: Raised) -> dict[str, Json]:
    """Return what `epoch` wrote, and the last epoch that was known before."""
    return {
        "decision_id": done.decision.id,
        "epoch": done.after.epoch,
        "epoch_before": done.before.epoch,
        "epoch_known": done.known.epoch,
        "active_region": done.after.active_region,
        "recorded": done.is_recorded,
    }


def controller(view: ControllerView) -> dict[str, Json]:
    """Return one controller; all but `region`, `silent` and `follows` is null if it was never heard."""
    beat = view.heartbeat
    return {
        "region": view.region,
        "silent": view.is_silent,
        "follows": view.follows,
        "heartbeat_age_seconds": round(view.age.total_seconds(), 3) if view.age is not None else None,
        "instance": beat.instance if beat else None,
        "epoch_seen": beat.epoch_seen if beat else None,
        "canary": beat.canary.value if beat else None,
        "ready": beat.ready.value if beat else None,
    }


def handover(situation: Situation) -> dict[str, Json]:
    """Return what `status` shows of the control row and of both controllers."""
    control, now = situation.control, situation.at
    return {
        "phase": control.phase.value,
        "went_back": went_back(situation.went_back),
        "phase_since": control.phase_since.isoformat() if control.phase_since else None,
        "admits": control.admits(now),
        "drains_until": control.drains_until.isoformat() if control.drains_until else None,
        "transition": transition(control.transition) if control.transition else None,
        "in_transition": control.in_transition,
        "freeze": _freeze(control.freeze) | {"in_force": control.frozen(now)} if control.freeze else None,
        "freezes": [_freeze(each) for each in control.freezes(now)],
        "cooldown_until": control.cooldown_until.isoformat() if control.cooldown_until else None,
        "budgets": [rule(each) for each in situation.budgets],
        "acknowledged_at": control.acknowledged_at.isoformat() if control.acknowledged_at else None,
        "drill": _drill(control),
        "controllers": [controller(view) for view in situation.controllers],
    }


def _freeze(freeze: Freeze) -> dict[str, Json]:
    return {
        "id": freeze.id,
        "by": freeze.by,
        "reason": freeze.reason,
        "at": freeze.at.isoformat(),
        "until": freeze.until.isoformat(),
    }


def _drill(control: Control) -> dict[str, Json] | None:
    drill = control.drill
    if drill is None:
        return None
    return {"home": drill.home, "ends_at": drill.ends_at.isoformat(), "blocking_alarm": drill.blocking_alarm}


def explanation(situation: Situation) -> dict[str, Json]:
    """Return what both controllers said last, the standby's first, and the newest decision."""
    return {
        "epoch": situation.control.epoch,
        "active_region": situation.control.active_region,
        "phase": situation.control.phase.value,
        "controllers": [
            controller(view) | {"assessment": assessment(view.heartbeat.assessment) if view.heartbeat else None}
            for view in situation.controllers
        ],
        "last_decision": decision(situation.last) if situation.last else None,
    }


def found(found: Explained) -> dict[str, Json]:
    """Return what an id names, with its grounds and what belongs to it; what it does not name is null."""
    me = found.decision
    return {
        "decision": decision(me) if me else None,
        "assessment": assessment(me.assessment) if me and me.assessment else None,
        "command": command(found.command) if found.command else None,
        "transition_id": found.transition_id,
        "transition": transition(found.transition) if found.transition else None,
        "decisions": [decision(each) for each in found.related],
    }


def plan(plan: SwitchPlan) -> dict[str, Json]:
    """Return a switch as it would be. `driver` is null if no controller runs, `refusal` if none would refuse it."""
    return {
        "kind": plan.kind.value,
        "target": plan.target,
        "epoch": plan.situation.control.epoch,
        "active_region": plan.situation.control.active_region,
        "carried_out": plan.is_carried_out,
        "driver": plan.driver.region if plan.driver else None,
        "refusal": plan.refusal,
        "readiness": [rule(each) for each in plan.readiness],
        "calls": [
            {
                "part": call.part,
                "service": call.service,
                "operation": call.operation,
                "parameters": call.parameters,
                "served_from": call.served_from,
                "times": call.times,
                "data_plane": call.data_plane,
                "why": call.why,
            }
            for call in plan.calls
        ],
        "timeline": [
            {"step": step.name, "seconds": step.seconds, "at_seconds": step.at_seconds, "reason": step.reason}
            for step in plan.timeline
        ],
    }
