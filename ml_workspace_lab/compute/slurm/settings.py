"""What an owner sets for a Slurm target. Each field becomes one checked word of a command; there is
no free text that would become part of a script."""

from typing import Annotated

from msgspec import Meta, Struct, field

from ml_workspace_lab.api.types import text_like

_WORDS = "must be made of letters, digits and . _ : @ % + - / ="
SlurmName = Annotated[str, text_like(r"^[\w.:@%+=/-]{1,255}$(?!\n)", _WORDS)]
SlurmList = Annotated[
    str,
    text_like(
        r"^[\w.:@%+=/,&|*()\[\]-]{1,1024}$(?!\n)",
        "must be a list or an expression as Slurm has it, without spaces",
    ),
]
AbsolutePath = Annotated[
    str,
    text_like(r"^/[^\x00-\x1f\x7f]*$(?!\n)", "must be an absolute path without control characters"),
]


class SlurmSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`partition` to `nice` are sbatch's options of these names; what is left out is the site's
    default.

    `python` is the interpreter on the nodes, which must have this package (default: the one that
    the workspace runs with, under the same path). `modules` are loaded before it. `shared_folder`
    says whether nodes see the workspace's folder under the same path; where they don't, `logs` can
    name a folder that is shared, for what a job prints before its runner begins. `config` is the
    slurm.conf to go by and `commands` the folder of Slurm's commands (default: as this machine has
    them). Slurm is asked for its queue at most every `poll_seconds`, and has `timeout_seconds` for
    each answer.
    """

    partition: SlurmList | None = None
    account: SlurmName | None = None
    qos: SlurmName | None = None
    constraint: SlurmList | None = None
    reservation: SlurmList | None = None
    licenses: SlurmList | None = None
    exclude: SlurmList | None = None
    exclusive: bool = False
    nice: Annotated[int, Meta(ge=0, le=2_147_483_645)] | None = None
    gpu_type: SlurmName | None = None
    python: AbsolutePath | None = None
    modules: list[SlurmName] = field(default_factory=list)
    shared_folder: bool = True
    logs: AbsolutePath | None = None
    config: AbsolutePath | None = None
    commands: AbsolutePath | None = None
    poll_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    timeout_seconds: Annotated[float, Meta(ge=1, le=600)] = 15.0
