"""The cloud that is asked: an endpoint, and for every behaviour two accounts of its own.

An account's access key is its number, as the simulated cloud and ministack read it; moto reads a
header. So no behaviour meets what another has made, and all can be asked at once.
"""

import json
import threading
import time

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .behaviours import Differs

REGION = "eu-west-1"
OTHER_REGION = "eu-central-1"
#: Longer than anything that the simulated cloud takes in real time: a DNS change takes a minute.
PATIENCE = 90

_building = threading.Lock()
_session = boto3.session.Session()


class Account:
    """One account at an endpoint. `prepared` says that the cloud holds what `world` prints."""

    def __init__(self, endpoint, number, prepared):
        self.endpoint, self.number, self.prepared = endpoint, number, prepared
        self.sibling = None
        self._clients, self._roles = {}, set()

    def client(self, service, region=REGION, credentials=None, unsigned=False):
        """A client of this account, or of whoever these credentials belong to."""
        config = Config(
            retries={"total_max_attempts": 1},
            parameter_validation=False,
            connect_timeout=5,
            read_timeout=30,
            signature_version=UNSIGNED if unsigned else None,
        )
        if credentials is None:
            keys = {"aws_access_key_id": self.number, "aws_secret_access_key": "secret"}
        else:
            keys = {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials.get("SessionToken"),
            }
        # boto3 builds one client at a time.
        with _building:
            client = _session.client(service, region, endpoint_url=self.endpoint, config=config, **keys)
        if credentials is None and not unsigned:
            number = self.number
            client.meta.events.register(
                "before-call", lambda params, **_: params["headers"].update({"x-moto-account-id": number})
            )
        return client

    def __getattr__(self, service):
        """`account.ecs` is its ECS client in the usual region."""
        if service.startswith("_"):
            raise AttributeError(service)
        if service not in self._clients:
            self._clients[service] = self.client(service)
        return self._clients[service]

    def role(self, trusted):
        """The ARN of a role of this account that the trusted account may assume (None: nobody)."""
        name = "closed" if trusted is None else "open"
        arn = f"arn:aws:iam::{self.number}:role/{name}"
        if not self.prepared and arn not in self._roles:
            principal = {"AWS": f"arn:aws:iam::{trusted or '999999999999'}:root"}
            statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
            self._roles.add(arn)
        return arn

    def subnets(self):
        """Two subnets of one network, and the network. The simulated cloud takes any: it has no EC2."""
        try:
            found = self.ec2.describe_subnets()["Subnets"]
        except (ClientError, BotoCoreError):
            found = []
        if len(found) < 2:
            return ["subnet-0aaa1111", "subnet-0bbb2222"], "vpc-0a1b2c3d4e5f60718"
        return [found[0]["SubnetId"], found[1]["SubnetId"]], found[0]["VpcId"]

    def security_groups(self):
        """The default security group of that network. AWS takes it if none is named; moto does not."""
        _, network = self.subnets()
        try:
            found = self.ec2.describe_security_groups()["SecurityGroups"]
        except (ClientError, BotoCoreError):
            found = []
        of_network = [group["GroupId"] for group in found if group.get("VpcId") == network]
        return of_network[:1] or ["sg-0ccc3333"]


def accounts(endpoint, first, place, prepared):
    """The account of the behaviour at this place; its sibling is the stranger that some need."""
    account, sibling = (Account(endpoint, number, prepared) for number in numbers(first, place))
    account.sibling, sibling.sibling = sibling, account
    return account


def numbers(first, place):
    return [f"{first + 2 * place + each:012}" for each in (0, 1)]


def until(holds, instead):
    """Asks until it holds; a cloud may take its time, but not for ever."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Differs(instead)
        time.sleep(0.25)
