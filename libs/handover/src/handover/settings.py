"""Every threshold and every wait of the controller, each with its unit and its reason."""

from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from handover import windows


class Mode(StrEnum):
    """Who starts an unplanned switch."""

    AUTOMATIC = "automatic"
    RECOMMEND = "recommend"
    """The controller decides and explains; a human orders it."""


class ControllerSettings(BaseSettings):
    """Read from `BATON_CONTROLLER_*`. Both Regions' controllers should run under the same ones."""

    model_config = SettingsConfigDict(env_prefix="BATON_CONTROLLER_", extra="ignore", frozen=True)

    mode: Mode = Mode.AUTOMATIC
    failback: Mode = Mode.RECOMMEND
    """`automatic`: switch home once the home Region was without a fault for `clean_seconds`. Opt-in, since a
    switch has its price and nobody is in a hurry."""
    dry_run: bool = False
    """Decide, explain and record; write no control row, switch nothing, take no batch over."""
    time_scale: float = Field(default=1, gt=0)
    """Divides every duration: for the two-Region world on one machine, where nothing is far away. 1 on AWS."""

    # --- how often it looks
    beat_seconds: float = Field(default=5, gt=0)
    """Reads the ledger, decides, writes a heartbeat. Four of them fit in `silence_seconds`."""
    probe_seconds: float = Field(default=15, gt=0)
    """A canary batch starts this often: three failed ones in 45 s, for half a dollar a day."""
    probe_deadline_seconds: float = Field(default=10, gt=0)
    """A canary takes 2 to 4 s; one that needs longer is no service to users. Below `probe_seconds`, so that no two
    overlap."""
    vitals_seconds: float = Field(default=15, gt=0)
    """Queues, open batches, alarms, switch endpoints: as often as canaries, so that both kinds can agree."""
    metrics_seconds: float = Field(default=55, ge=0)
    """CloudWatch has a new value once a minute, and charges each question: what it said is used again for so long, and
    so is the number of dead letters, which changes seldom. Less than a minute, so that the fourth look asks."""
    reconcile_seconds: float = Field(default=30, gt=0)
    """Compares switch, dials and owners with the control row: a stale write stands no longer than this."""

    call_seconds: float = Field(default=4, gt=0)
    """For one call of a look: what takes longer is no answer. Below `beat_seconds`, so that looks keep their pace."""

    # --- what makes a Region unhealthy
    trip_bad: int = Field(default=3, ge=1)
    trip_of: int = Field(default=4, ge=1)
    """A signal is UNHEALTHY once 3 of its last 4 samples are bad: one lost answer is none, two may be a deployment."""
    together_seconds: float = Field(default=120, ge=0)
    """A signal that may be bad for hours while users are served counts only if it tripped so close to a canary."""
    grey_seconds: float = Field(default=600, gt=0)
    grey_percent: float = Field(default=25, gt=0, le=100)
    grey_canaries_min: int = Field(default=40, ge=1)
    """A quarter of the canaries of ten minutes: what fails a third of its users is found in that time. A tenth is not
    taken for it by chance in a hundred years. 40 are all that ten minutes have while none fails."""
    grey_clear_good: int = Field(default=10, ge=1)
    """So many good ones in a row end it: an outage that is over is none."""
    grey_probes: int = Field(default=2, ge=1)
    """Canaries that are sent at a time while one of the last ten minutes failed: more of them tell a third from a
    tenth sooner."""
    slow_times: float = Field(default=10, gt=1)
    slow_seconds: float = Field(default=3, gt=0)
    """A canary that takes ten times as long as others did under no less load is bad, if it also takes so long: below
    it no user notices."""
    usual_samples: int = Field(default=240, ge=1)
    """Good canaries that are remembered for this: an hour."""
    usual_samples_min: int = Field(default=20, ge=1)
    clear_good: int = Field(default=20, ge=1)
    """And HEALTHY again once 20 of 20 are good (5 min of canaries): what flaps must not look healthy in between."""
    fresh_seconds: float = Field(default=45, gt=0)
    """Older samples say nothing: UNKNOWN. Three times the interval of the slowest signal."""
    ready_samples: int = Field(default=3, ge=1)
    """Good samples before a controller that has just started calls a signal HEALTHY."""
    silence_seconds: float = Field(default=10, gt=0)
    """A sample is bad if nothing of the Region was written to the ledger for so long: two missed beats. With 3 of 4
    that makes the signal UNHEALTHY after 20 s at the earliest."""
    oldest_message_seconds: float = Field(default=900, gt=0)
    """A message that waits longer than the sweeper does before it sends one again is in a queue that nobody serves."""
    dead_letters_max: int = Field(default=20, ge=0)
    """More of them within `dead_letters_seconds` than a consumer's own brake lets through."""
    dead_letters_seconds: float = Field(default=3_600, gt=0)
    """Older ones are known: dead letters are kept for 14 days."""
    oldest_batch_seconds: float = Field(default=3_600, gt=0)
    """The objective: the age at which an unfinished batch is late."""
    standstill_seconds: float = Field(default=600, gt=0)
    """Throughput against admissions: batches that were admitted before this, and none that moved since, are batches
    that nobody works on."""
    calls_min: int = Field(default=20, ge=1)
    """Fewer calls a minute say nothing about a rate."""
    call_errors_percent_max: float = Field(default=50, ge=0, le=100)
    """Of our own calls to the Region's S3, SQS and DynamoDB. Half of them failing is an outage, not noise."""
    replication_seconds: float = Field(default=900, gt=0)
    """S3's promise for replication with time control. Only explains: a fault of the link, not of the Region."""

    # --- what must be true to act
    hold_seconds: float = Field(default=25, ge=0)
    """From declaring a Region unhealthy to failing over: signals may recover meanwhile. Where connections are refused
    at once, three canaries fail within 30 s; by 55 s a partition of 43 s has healed, and the next canary, or the next
    two beats, have shown it."""
    written_seconds: float = Field(default=15, gt=0)
    """A controller whose own heartbeat is older than this in the ledger is cut off: it takes no action."""
    switch_endpoints_min: int = Field(default=3, ge=0)
    """Of five. ARC promises three; fewer, and the fault may be ours."""
    provisions_seconds: float = Field(default=300, gt=0)
    """Asks for mail, rights, tasks and room: what changes in days, and is answered by control planes."""
    provisions_kept_seconds: float = Field(default=86_400, gt=0)
    """An answer stands for so long while there is no newer one: on the day nobody may be there to ask."""
    mails_left_percent_min: float = Field(default=10, ge=0, le=100)
    """Of the mails of 24 hours: with less it is told, and the rest may have to wait."""
    driver_seconds: float = Field(default=30, gt=0)
    """A driver silent for so long is gone: the other controller continues what it began. Two do no harm."""
    command_seconds_max: float = Field(default=900, gt=0)
    """An order to switch that nobody took for so long is refused: it was meant for another situation. Above the
    disagreement of two clocks."""

    # --- how long a step may take
    drain_seconds: float = Field(default=30, gt=0)
    """A planned switch pauses admission no longer than this, or is rolled back."""
    step_seconds: float = Field(default=150, gt=0)
    """Switch, routes, takeover: after it the step counts as degraded, and the reconciler keeps trying. Above
    `dials_seconds`, with time for a few attempts."""
    dials_seconds: float = Field(default=120, gt=0)
    """S3 takes up to two minutes to turn dials that it was asked to turn: before that nobody asks again, and they are
    not late."""
    retry_seconds: float = Field(default=2, gt=0)
    """Between two attempts of a step that is not through."""
    verify_seconds: float = Field(default=90, gt=0)
    """For a canary in the new Region: six starts."""

    # --- brakes
    cooldown_seconds: float = Field(default=1_800, ge=0)
    """After a failover: no further automatic one. Longer than any flapping that was ever reported."""
    cooldown_planned_seconds: float = Field(default=60, ge=0)
    """After a planned switch, which no unhealthy signal caused."""
    failovers_short_max: int = Field(default=1, ge=0)
    budget_short_seconds: float = Field(default=6 * 3_600, gt=0)
    """One automatic failover in six hours: the second one says that failing over does not help."""
    failovers_long_max: int = Field(default=2, ge=0)
    budget_long_seconds: float = Field(default=24 * 3_600, gt=0)
    """Two in a day; then a human has to look (`baton ack`)."""
    maintenance: str = ""
    """Windows without automatic failover, in UTC: `Sun 02:00-04:00, daily 22:00-22:30`."""
    failback_window: str = ""
    """Windows in which automatic failback may start; empty: at any time."""
    clean_seconds: float = Field(default=3_600, gt=0)
    """How long the home Region must have been ready without interruption before automatic failback."""

    # --- effort
    takeovers_at_once: int = Field(default=50, ge=1)
    """Batches taken over side by side: a thousand in about two seconds."""

    @field_validator("maintenance", "failback_window")
    @classmethod
    def _is_windows(cls, text: str) -> str:
        windows.parse_all(text)
        return text

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.trip_bad > self.trip_of:
            raise ValueError("trip_bad is at most trip_of")
        if self.trip_of > self.clear_good:
            raise ValueError("trip_of is at most clear_good: that many samples are kept")
        if self.usual_samples_min > self.usual_samples:
            raise ValueError("usual_samples_min is at most usual_samples")
        if self.probe_deadline_seconds > self.probe_seconds:
            raise ValueError("probe_deadline_seconds is at most probe_seconds: canaries must not overlap")
        return self

    def scaled(self) -> Self:
        """Return the same settings with every duration divided by `time_scale`."""
        durations = {
            name: value / self.time_scale
            for name, value in self.model_dump().items()
            if name.endswith(("_seconds", "_seconds_max"))
        }
        return self.model_copy(update=durations | {"time_scale": 1.0})
