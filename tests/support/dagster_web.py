"""What a person does in Dagster's web pages, by the requests that these send."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "bitpredict"}


@dataclass(frozen=True)
class DagsterWeb:
    """A webserver."""

    url: str

    def ask(self, query: str, **variables: object) -> Any:
        """The answer's data.

        Raises:
            AssertionError: the answer is an error.
        """
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=180) as answer:  # noqa: S310
            said = json.load(answer)
        assert "errors" not in said, said["errors"]
        return said["data"]

    def location_loaded(self) -> Mapping[str, Any]:
        """The code location: its name, whether it loaded, and its assets with their groups."""
        query = """{
            workspaceOrError { ... on Workspace { locationEntries {
                name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } }
            assetNodes { assetKey { path } groupName isPartitioned }
        }"""
        data = self.ask(query)
        (location,) = data["workspaceOrError"]["locationEntries"]
        assets = {node["assetKey"]["path"][-1]: node["groupName"] for node in data["assetNodes"]}
        return {
            "name": location["name"],
            "loaded": (location["loadStatus"], location["locationOrLoadError"]["__typename"]),
            "assets": assets,
        }

    def launch_backfill(self, assets: list[str], partitions: list[str]) -> str:
        """Returns the backfill's id."""
        query = """mutation($parameters: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $parameters) {
            ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
        chosen = [{"path": [name]} for name in assets]
        answer = self.ask(query, parameters={"assetSelection": chosen, "partitionNames": partitions})
        return str(answer["launchPartitionBackfill"]["backfillId"])

    def backfill_status(self, backfill: str) -> str:
        query = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
            ... on PartitionBackfill { status } } }"""
        return str(self.ask(query, id=backfill)["partitionBackfillOrError"]["status"])

    def launch_run(self, job: str, first: str, last: str) -> str:
        """Launch a job over a range of partitions; returns the run's id."""
        query = """mutation($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) {
            ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        parameters = {
            "selector": {**REPOSITORY, "jobName": job},
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        return str(self.ask(query, parameters=parameters)["launchRun"]["run"]["runId"])
