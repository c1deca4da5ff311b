"""How many workers a deployment of an endpoint has."""

from ml_workspace_lab.api.operation import Service, operation
from ml_workspace_lab.endpoints import deployment_store, store
from ml_workspace_lab.endpoints.model import EndpointInfo, EndpointName
from ml_workspace_lab.endpoints.scaling import WorkerScaling
from ml_workspace_lab.endpoints.traffic import DeploymentName


class EndpointScaling(Service):
    """The numbers of workers of deployments."""

    @operation(
        "PUT", "/endpoints/{name}/deployments/{deployment}/scaling", action="endpoints/write"
    )
    def set(
        self, name: EndpointName, deployment: DeploymentName, body: WorkerScaling
    ) -> EndpointInfo:
        """Have another number of workers from now on. Those that there are go on; one that is too
        many answers what it has accepted before it goes. Raises InvalidInput where the settings
        contradict each other."""
        body.check()
        with self.storage.database.write() as transaction:
            wanted = store.get(transaction, name)
            found = wanted.deployment(deployment)
            deployment_store.set_scaling(transaction, wanted.id, deployment, body)
            told = {"before": str(found.info.scaling), "after": str(body)}
            transaction.event("endpoint.scaled", name, deployment=deployment, **told)
        self.services.computes.wake()
        return self.services.endpoints.get(name)
