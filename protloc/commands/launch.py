"""launch_sagemaker.py: train.py's words to a job on SageMaker."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from protloc.commands.follow import follow, follow_to_the_end
from protloc.config import LaunchConfig
from protloc.sagemaker.follow import console_address
from protloc.sagemaker.job import TrainingJob
from protloc.sagemaker.plan import estimate
from protloc.sagemaker.prepare import plan, prepare, send


def launch(config: LaunchConfig, words: Sequence[str]) -> None:
    """Send a job, or look after one.

    Args:
        config: the options, checked.
        words: of the command line, as Hydra read them.

    Raises:
        UserError: for anything that the user can mend.
    """
    if config.action != "train":
        follow(config)
        return
    prepared = prepare(config, words)
    if config.dry_run:
        print(json.dumps(plan(config, prepared), indent=2, default=str))
        return
    print(textwrap.fill(", ".join(prepared.files), 120, initial_indent="  ", subsequent_indent="  "))
    send(config, prepared)
    _tell(config, prepared.job)
    if config.wait and not config.tune:
        follow_to_the_end(prepared.session, prepared.job.name, config.output)


def _tell(config: LaunchConfig, job: TrainingJob) -> None:
    spent = estimate(job)
    jobs = config.tuner.max_jobs if config.tune else 1
    dollars = f", at most ${jobs * spent['us_dollars_at_most']:,.2f} (an estimate, {spent['prices']})" if spent else ""
    kind = f"tuner: {job.name}: {jobs} jobs" if config.tune else f"job: {job.name}:"
    print(f"{kind} on {job.instance_count} x {job.instance_type}{dollars}")
    print(f"console: {console_address(job.region, job.name, tuner=config.tune)}")
    if not config.wait or config.tune:
        actions = "stop" if config.tune else "logs, download, stop"
        print(f"next: python launch_sagemaker.py job={job.name} action=status  # or {actions}")
