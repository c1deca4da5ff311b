"""Run by an interpreter that has the writer: event files below FOLDER, of two runs and one with
hyper-parameters. `torch` or `tensorboardX` names the writer."""

import math
import sys

import numpy as np

folder, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
if kind == "torch":
    from torch.utils.tensorboard import SummaryWriter
else:
    from tensorboardX import SummaryWriter

for name in ("train", "eval/deep"):
    writer = SummaryWriter(f"{folder}/{name}")
    for step in range(count):
        writer.add_scalar("loss/total", 1 / (step + 1), step, walltime=1.7e9 + step)
    for step, value in enumerate((math.nan, math.inf, -math.inf)):
        writer.add_scalar("odd", value, step, walltime=1.7e9)
    if kind == "torch":
        writer.add_scalar("new", 2.5, -7, walltime=1.7e9, new_style=True)
        writer.add_scalar("double", 0.1, 7, walltime=1.7e9, new_style=True, double_precision=True)
    writer.add_text("note", "hello **ü**", 3, walltime=1.7e9)
    picture = np.zeros((3, 8, 8), dtype=np.uint8)
    writer.add_image("pic/../x", picture, 5, walltime=1.7e9)
    writer.add_histogram("h", np.arange(100), 1, walltime=1.7e9)
    writer.close()
named = {"run_name" if kind == "torch" else "name": "one"}
with SummaryWriter(f"{folder}/hp") as writer:
    writer.add_hparams({"lr": 0.1, "opt": "adam"}, {"hparam/acc": 0.5}, **named)
