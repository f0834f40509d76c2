"""What the demonstration organization watches: its services, their monitors, what needs what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from statustui.demo.targets import (
    DATABASE_GREETING,
    DATABASE_MS,
    DNS_MS,
    HOST,
    HTTP_TARGETS,
    MAIL_MS,
    ZONE,
    DemoTargets,
)
from statustui.domain.monitor import (
    CheckConfig,
    DnsConfig,
    HttpConfig,
    MonitorSpec,
    PingConfig,
    TcpConfig,
    type_of,
)

SLUG = "demo"
NAME = "Demo Cloud"
TIMEZONE = "Europe/Berlin"
BRAND_COLOR = "#0F766E"
DESCRIPTION = "A throwaway world: every service here is a small server on this very machine."
RECOVERY_WATCH_SECONDS = 20

INTERVAL_SECONDS = 5
_TIMEOUT_MS = 2_000
_FAMILY = UUID("5d1c5f0e-6a0b-4c57-9d3a-6d0a8f7a2b10")


@dataclass(frozen=True, slots=True)
class DemoMonitor:
    """One monitor of the demonstration.

    Attributes:
        name: within its service.
        target: whose failure it sees; "" for none that can fail.
        usual_ms: what it usually measures, for its past.
        phases: shares of resolve, connect, TLS, first byte and transfer in that.
        degraded_after_ms: slower than this is degraded.
    """

    name: str
    target: str
    usual_ms: float
    shares: tuple[float | None, float | None, float | None, float | None, float | None]
    degraded_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DemoService:
    """One service of the demonstration."""

    name: str
    group: str
    description: str
    monitors: tuple[DemoMonitor, ...]
    depends_on: tuple[str, ...] = ()
    is_visible: bool = True

    @property
    def id(self) -> UUID:
        """The same in every world, so that addresses of its page can be kept."""
        return uuid5(_FAMILY, self.name)


_HTTP = (0.0, 0.006, None, 0.98, 0.014)
_CONNECT = (0.0, 1.0, None, None, None)
_GREETED = (0.0, 0.02, None, 0.97, 0.01)
_ASKED = (None, None, None, 1.0, None)


def _http(name: str, target: str, degraded_after_ms: int | None = None) -> DemoMonitor:
    return DemoMonitor(name, target, HTTP_TARGETS[target] + 1.0, _HTTP, degraded_after_ms)


SERVICES = (
    DemoService("Website", "Core", "The public site and its pages", (_http("home page", "web"),)),
    DemoService(
        "API",
        "Core",
        "The REST API that apps and partners use",
        (_http("health", "api", 400), DemoMonitor("port", "api:port", 0.4, _CONNECT)),
        depends_on=("Database",),
    ),
    DemoService(
        "Sign-in",
        "Core",
        "Accounts, passwords and single sign-on",
        (_http("health", "auth", 400),),
        depends_on=("Database",),
    ),
    DemoService(
        "Checkout",
        "Commerce",
        "Carts and orders",
        (_http("health", "checkout", 500),),
        depends_on=("Database",),
    ),
    DemoService(
        "Payments", "Commerce", "Cards, wallets and refunds", (_http("status", "payments", 500),)
    ),
    DemoService(
        "Search", "Commerce", "Product search and suggestions", (_http("query", "search", 300),)
    ),
    DemoService(
        "E-mail",
        "Messaging",
        "Receipts and notices by mail",
        (DemoMonitor("smtp", "mail", MAIL_MS, _GREETED),),
    ),
    DemoService(
        "Webhooks", "Messaging", "Events for integrations", (_http("deliver", "hooks", 400),)
    ),
    DemoService(
        "Push notifications", "Messaging", "Messages to phones", (_http("gateway", "push", 400),)
    ),
    DemoService(
        "Reports",
        "Data",
        "Exports and dashboards",
        (DemoMonitor("render", "reports", 90.0, _HTTP, 200),),
    ),
    DemoService("File storage", "Data", "Uploads and downloads", (_http("object", "files", 300),)),
    DemoService(
        "DNS",
        "Network",
        "Name resolution of our zones",
        (
            DemoMonitor("www A", "dns", DNS_MS, _ASKED),
            DemoMonitor("mail MX", "dns", DNS_MS, _ASKED),
        ),
    ),
    DemoService(
        "Edge network",
        "Network",
        "The way into our data centres",
        (DemoMonitor("gateway", "", 0.15, _ASKED),),
    ),
    DemoService(
        "Database",
        "Internal",
        "The primary PostgreSQL; what many things need",
        (DemoMonitor("port", "database", DATABASE_MS, _GREETED),),
        is_visible=False,
    ),
)

BY_NAME: Mapping[str, DemoService] = {service.name: service for service in SERVICES}


def monitor_id(service: DemoService, monitor: DemoMonitor) -> UUID:
    """The monitor's id, the same in every world."""
    return uuid5(_FAMILY, f"{service.name}/{monitor.name}")


def spec_of(monitor: DemoMonitor, targets: DemoTargets) -> MonitorSpec:
    """The monitor as the engine runs it, with the ports that the targets have this time."""
    config = _config(monitor, targets)
    return MonitorSpec(
        name=monitor.name,
        type=type_of(config),
        config=config,
        interval_seconds=INTERVAL_SECONDS,
        timeout_ms=_TIMEOUT_MS,
        # What others need is believed at once and they are not, so that the cause is known first:
        # their second look comes a whole interval after the first.
        failure_threshold=1 if monitor.target == "database" else 2,
        recovery_threshold=1,
        retry_interval_seconds=INTERVAL_SECONDS,
        degraded_after_ms=monitor.degraded_after_ms,
        conditions=("[BODY].status == ok",) if monitor.target == "api" else (),
        runbook=_runbook(monitor, targets),
        tags=("demo",),
    )


def _config(monitor: DemoMonitor, targets: DemoTargets) -> CheckConfig:
    match monitor.target:
        case "":
            return PingConfig(HOST, count=1)
        case "api:port":
            return TcpConfig(HOST, targets.port("api"))
        case "mail":
            return TcpConfig(HOST, targets.port("mail"), expect="220 ")
        case "database":
            return TcpConfig(HOST, targets.port("database"), expect=DATABASE_GREETING)
        case "dns":
            resolver = f"{HOST}:{targets.port('dns')}"
            if monitor.name == "mail MX":
                return DnsConfig(ZONE, "MX", resolver, (f"10 mail.{ZONE}",))
            return DnsConfig(f"www.{ZONE}", "A", resolver, ("192.0.2.10",))
        case target:
            path = {"web": "/", "search": "/search?q=shoes"}.get(target, "/health")
            return HttpConfig(f"http://{HOST}:{targets.port(target)}{path}")


def _runbook(monitor: DemoMonitor, targets: DemoTargets) -> str:
    target = monitor.target.partition(":")[0]
    if not target:
        return "This pings loopback itself; nothing in the demonstration can break it."
    return (
        "This target belongs to the demonstration. Break it for a minute, or heal it:\n\n"
        f"    curl -X POST {targets.control_address}/{target}/error\n"
        f"    curl -X POST {targets.control_address}/{target}/ok\n\n"
        "Other ways to break it: `slow`, `hang`, `refuse`."
    )
