"""Stack: one Region's runbook in Systems Manager, for operators who work there."""

import inspect
from typing import Final

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from baton.model.journal import CommandKind
from baton_functions import order
from baton_infra.config import EnvironmentConfig
from baton_infra.constructs.roles import service_role
from baton_infra.declared.policies import rows
from baton_infra.declared.statements import Statement
from baton_infra.stacks.base import BatonStack

ORDERS: Final = (CommandKind.FAILOVER, CommandKind.SWITCHOVER, CommandKind.FAILBACK)


class RunbookStack(BatonStack):
    """One Region's runbook in Systems Manager: orders a switch from the controllers, as `baton` does."""

    purpose = "runbook"

    def __init__(self, scope: Construct, config: EnvironmentConfig, region: str) -> None:
        super().__init__(scope, config, region)
        ledger = (self.arns.table(self.topology.ledger_table),)
        role = service_role(
            self,
            "Role",
            principal="ssm.amazonaws.com",
            statements=[
                Statement("Order", ("dynamodb:GetItem", "dynamodb:PutItem"), ledger, rows("command#*")),
            ],
            conditions={"StringEquals": {"aws:SourceAccount": config.account_id}},
        )
        ssm.CfnDocument(
            self,
            "Order",
            name=self.topology.runbook,
            document_type="Automation",
            document_format="JSON",
            update_method="NewVersion",
            content=self._document(role.attr_arn),
        )

    def _document(self, role_arn: str) -> dict[str, object]:
        inputs = {
            "Table": self.topology.ledger_table,
            "By": "SSM {{ automation:EXECUTION_ID }}",
            **{name: f"{{{{ {name} }}}}" for name in ("Order", "Region", "Reason", "Force")},
        }
        script = {
            "Runtime": "python3.11",
            "Handler": "handler",
            "InputPayload": inputs,
            "Script": inspect.getsource(order),
        }
        outputs = [
            {"Name": name, "Selector": f"$.Payload.{name}", "Type": "String"} for name in ("Command", "State", "Answer")
        ]
        return {
            "schemaVersion": "0.3",
            "description": "Order a switch of the active Region from Baton's controllers, and wait for their answer.",
            "assumeRole": role_arn,
            "parameters": self._parameters(),
            "mainSteps": [
                {
                    "name": "order",
                    "action": "aws:executeScript",
                    "timeoutSeconds": order.SECONDS_MAX + 30,
                    "onFailure": "Abort",
                    "inputs": script,
                    "outputs": outputs,
                }
            ],
            "outputs": [f"order.{each['Name']}" for each in outputs],
        }

    def _parameters(self) -> dict[str, object]:
        regions = list(self.config.regions)
        return {
            "Order": {
                "type": "String",
                "allowedValues": [each.value for each in ORDERS],
                "description": "What is to be done.",
            },
            "Region": {"type": "String", "allowedValues": regions, "description": "The Region that is to be active."},
            "Reason": {"type": "String", "description": "Why, for the history.", "allowedPattern": '^[^"\\\\]{1,200}$'},
            "Force": {
                "type": "String",
                "allowedValues": ["no", "yes"],
                "default": "no",
                "description": "Of a failover: even into a Region that does not prove its readiness.",
            },
        }
