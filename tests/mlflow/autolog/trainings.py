"""`python trainings.py NAME EXPERIMENT`: train something small with a real library, as users do.

Runs in an environment that has a library and an MLflow client, and nothing of ours.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ["KERAS_BACKEND"] = "torch"

import mlflow  # noqa: E402
import numpy as np  # noqa: E402

NEW = int(mlflow.__version__.partition(".")[0]) >= 3
ROWS, EPOCHS = 64, 3
generator = np.random.default_rng(0)
X = generator.normal(size=(ROWS, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


def sklearn():
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog()
    LogisticRegression(C=0.5).fit(X, Y)


def sklearn_search():
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    mlflow.sklearn.autolog()
    GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X, Y)


def xgboost():
    import xgboost as xgb

    mlflow.xgboost.autolog()
    data = xgb.DMatrix(X, Y)
    xgb.train({"max_depth": 2}, data, EPOCHS, evals=[(data, "train")], verbose_eval=False)


def lightgbm():
    import lightgbm as lgb

    mlflow.lightgbm.autolog()
    data = lgb.Dataset(X, Y)
    options = {"num_leaves": 4, "verbose": -1, "objective": "binary", "metric": "binary_logloss"}
    lgb.train(options, data, EPOCHS, valid_sets=[data], valid_names=["train"])


def statsmodels():
    import statsmodels.api as sm

    mlflow.statsmodels.autolog()
    with mlflow.start_run():
        sm.OLS(Y.astype(float), sm.add_constant(X)).fit()


def pytorch():
    import torch

    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with mlflow.start_run():
        mlflow.log_param("lr", 0.1)
        for epoch in range(EPOCHS):
            loss = torch.nn.functional.cross_entropy(model(torch.tensor(X)), torch.tensor(Y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mlflow.log_metric("loss", loss.item(), step=epoch)
        words = {"name": "model", "serialization_format": "pickle"} if NEW else {}
        mlflow.pytorch.log_model(model, **(words or {"artifact_path": "model"}))


def lightning():
    import torch
    from lightning import pytorch as pl

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def training_step(self, batch, _):
            x, y = batch
            loss = torch.nn.functional.cross_entropy(self.layer(x), y)
            self.log("train_loss", loss, on_epoch=True, on_step=False)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    mlflow.pytorch.autolog(**({"checkpoint": False} if NEW else {}))
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    trainer = pl.Trainer(
        max_epochs=EPOCHS, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Net(), torch.utils.data.DataLoader(data, batch_size=16))


def keras():
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    mlflow.keras.autolog()
    model.fit(X, Y, epochs=EPOCHS, batch_size=16, verbose=0)


def optuna():
    import optuna
    from optuna_integration import MLflowCallback

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    callback = MLflowCallback(
        tracking_uri=mlflow.get_tracking_uri(), metric_name="loss", create_experiment=False
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    study.optimize(lambda t: t.suggest_float("x", -1, 1) ** 2, n_trials=3, callbacks=[callback])


def transformers():
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    config = BertConfig(
        vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8,
    )  # fmt: skip
    tokens = torch.randint(0, 32, (ROWS, 6))
    rows = [{"input_ids": tokens[i], "labels": int(Y[i])} for i in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=EPOCHS, logging_steps=2, report_to=["mlflow"], use_cpu=True,
            disable_tqdm=True, save_strategy="no", per_device_train_batch_size=16,
        )  # fmt: skip
        trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=rows)
        with mlflow.start_run():
            trainer.train()
            # MLflow 2.9 forgets at its exit what waits to be sent: this is the last of what does.
            mlflow.log_metric("sent", 1, synchronous=False).wait()


if __name__ == "__main__":
    name, experiment = sys.argv[1:]
    # Its own folder must not stand before the libraries that trainings are named for.
    sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent]
    mlflow.set_experiment(experiment)
    globals()[name]()
