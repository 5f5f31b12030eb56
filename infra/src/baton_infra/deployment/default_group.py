"""Closes the default security group of a network, which EC2 makes open and CloudFormation cannot change.

Nothing of ours is in it. What somebody starts in this network without naming a group would be.
"""

from typing import Any


async def close(cloudformation: Any, ec2: Any, stack: str) -> bool:
    """Take every rule from the default group of a stack's network; return whether there was one."""
    found = await cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="Vpc")
    vpc = found["StackResourceDetail"]["PhysicalResourceId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = (await ec2.describe_security_groups(Filters=filters))["SecurityGroups"]
    inward, outward = group["IpPermissions"], group["IpPermissionsEgress"]
    if inward:
        await ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=inward)
    if outward:
        await ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=outward)
    return bool(inward or outward)
