"""What runs beside a suite, as plans of their own: the same machine for every host that the suite is tried on."""

from runtime.backend import Unsupported
from runtime.data import replace
from runtime.host import Host
from runtime.plan import NetworkState, Plan, Service


def service_plans(plan: Plan) -> tuple[Plan, ...]:
    """Return a plan for each service, in their order.

    A service gets the default level of every factor: hosts try the suite. Network and IPv6 alone are the run's, as
    they are one network.
    """
    return tuple(_plan_of(each, plan) for each in plan.services)


def without_loopback(plan: Plan) -> Unsupported | None:
    """Tell that a run has services that nobody can reach, or return None."""
    if not plan.services or plan.network.state is not NetworkState.NONE:
        return None
    names = ", ".join(each.name for each in plan.services)
    return Unsupported(reason=f"network=none leaves no loopback interface to reach the services by ({names})")


def _plan_of(service: Service, beside: Plan) -> Plan:
    bare = Plan(
        image=service.image,
        suite=None,
        argv=service.argv,
        workdir=service.workdir,
        environment=service.environment,
        user=service.user,
        capabilities=(),
        services=beside.services,  # for the names in /etc/hosts
    )
    applied = Host(name="beside", factors={}).apply(bare)
    return replace(applied, limits=service.limits, network=beside.network, hostname=service.name, services=())
