"""The files of docs/fleets.md are valid for Ansible, systemd and Kubernetes, and audit two servers.

The tests of the units need systemd. Ansible is not needed: its templates are Jinja2 templates.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Environment, StrictUndefined
from jsonschema import Draft202012Validator

from tests.standin import running
from tests.unit.audit.test_cron_files import INSTALLED, systemd_analyze

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.cli.conftest import Synadmin

yaml: Any = pytest.importorskip("yaml", reason="matrix-synapse brings PyYAML")

DOCS = Path(__file__).parents[3] / "docs"
FILES = DOCS / "fleets"
TOKEN = "syt_donotshowthis"
CREDENTIALS = "/run/credentials/synadmin-audit.service"
_TEXT = {"type": "string", "minLength": 1}
_MODE = {"type": "string", "pattern": r"^0[0-7]{3}$|^\{\{ item\.mode \}\}$"}


def object_schema(required: str, optional: str = "", **fields: object) -> dict[str, Any]:
    """Return the JSON schema of an object with these required and optional fields."""
    names = required.split()
    return {
        "type": "object",
        "required": names,
        "additionalProperties": False,
        "properties": {name: fields.get(name, True) for name in [*names, *optional.split()]},
    }


def list_schema(schema: object) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": schema}


def rendered(name: str, **values: object) -> str:
    """Render a template as Ansible does."""
    environment = Environment(  # noqa: S701  no HTML: settings of systemd and synadmin
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string((FILES / name).read_text("utf-8")).render(**values)


DEFAULTS: dict[str, Any] = yaml.safe_load((FILES / "defaults.yml").read_text("utf-8"))
HOMESERVERS: dict[str, dict[str, str]] = DEFAULTS["synadmin_homeservers"]

# The fields of each module that the role uses.
MODULES = {
    "ansible.builtin.pip": object_schema("name virtualenv virtualenv_command"),
    "ansible.builtin.file": object_schema(
        "state", "path src dest mode", state={"enum": ["directory", "link"]}, mode=_MODE
    ),
    "ansible.builtin.template": object_schema("src dest mode", mode=_MODE),
    "ansible.builtin.copy": object_schema("dest mode", "src content", mode=_MODE),
    "ansible.builtin.systemd": object_schema("name enabled state daemon_reload", state={"const": "started"}),
}
TASK = {
    **object_schema("name", f"loop loop_control no_log {' '.join(MODULES)}", name=_TEXT, **MODULES),
    "oneOf": [{"required": [module]} for module in MODULES],
}


def test_ansible_tasks_use_known_modules_and_fields() -> None:
    tasks = yaml.safe_load((FILES / "tasks.yml").read_text("utf-8"))
    Draft202012Validator(list_schema(TASK)).validate(tasks)
    writes_tokens = [task for task in tasks if "token }}" in json.dumps(task)]
    assert writes_tokens
    assert all(task["no_log"] and task["ansible.builtin.copy"]["mode"] == "0600" for task in writes_tokens)


def test_role_installs_existing_files() -> None:
    tasks = yaml.safe_load((FILES / "tasks.yml").read_text("utf-8"))
    sources = [
        task["ansible.builtin.template"]["src"] for task in tasks if "ansible.builtin.template" in task
    ]
    assert sorted(sources) == sorted(path.name for path in FILES.glob("*.j2"))
    (units,) = (task["loop"] for task in tasks if "units" in task["name"])
    assert all((DOCS / "cron" / unit).is_file() for unit in units)


def _drop_in() -> str:
    return rendered("fleet.conf.j2", synadmin_homeservers=HOMESERVERS)


def test_no_token_is_in_a_unit_or_profile() -> None:
    profiles = [rendered("profile.env.j2", item=item) for item in _items()]
    assert all("vault" not in text and "TOKEN=" not in text for text in [_drop_in(), *profiles])
    assert re.findall(r"^LoadCredential=(\w+):(\S+)$", _drop_in(), re.MULTILINE) == [
        (name, f"/etc/synadmin/tokens/{name}") for name in HOMESERVERS
    ]


def _items() -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in HOMESERVERS.items()]


@systemd_analyze
def test_systemd_accepts_the_units_of_the_role(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("synadmin"))
    for name in ("synadmin-audit.service", "synadmin-audit.timer"):
        shutil.copy(DOCS / "cron" / name, tmp_path)
    folder = tmp_path / "synadmin-audit.service.d"
    folder.mkdir()
    # The program in the unit does not exist, the one in the drop-in does: systemd uses the drop-in.
    (folder / "fleet.conf").write_text(_drop_in().replace(INSTALLED, program), "utf-8")
    command = ["systemd-analyze", "verify", str(tmp_path / "synadmin-audit.service")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout + process.stderr) == (0, "")


def _documents() -> dict[str, dict[str, Any]]:
    return {
        document["kind"]: document
        for document in yaml.safe_load_all((FILES / "cronjob.yaml").read_text("utf-8"))
    }


# The fields of the Kubernetes API that the manifest uses: batch/v1 CronJob, v1 ConfigMap and
# PersistentVolumeClaim. A misspelled field is an error.
_METADATA = object_schema("name", name={"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"})
_QUANTITIES = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+(m|Mi|Gi)?$"}}
_CONTAINER = object_schema(
    "name image args volumeMounts",
    "env resources securityContext",
    args=list_schema(_TEXT),
    env=list_schema(object_schema("name value", name=_TEXT, value=_TEXT)),
    resources=object_schema("requests limits", requests=_QUANTITIES, limits=_QUANTITIES),
    securityContext=object_schema(
        "allowPrivilegeEscalation readOnlyRootFilesystem capabilities",
        allowPrivilegeEscalation={"const": False},
        readOnlyRootFilesystem={"const": True},
        capabilities=object_schema("drop", drop={"const": ["ALL"]}),
    ),
    volumeMounts=list_schema(object_schema("name mountPath", "readOnly", readOnly={"type": "boolean"})),
)
_VOLUME = {
    **object_schema(
        "name",
        "persistentVolumeClaim configMap secret",
        persistentVolumeClaim=object_schema("claimName"),
        configMap=object_schema("name"),
        secret=object_schema("secretName defaultMode", defaultMode={"type": "integer", "maximum": 0o777}),
    ),
    "minProperties": 2,
    "maxProperties": 2,
}
_POD = object_schema(
    "restartPolicy automountServiceAccountToken securityContext containers volumes",
    restartPolicy={"enum": ["Never", "OnFailure"]},
    automountServiceAccountToken={"type": "boolean"},
    securityContext=object_schema(
        "runAsNonRoot runAsUser runAsGroup fsGroup seccompProfile",
        runAsNonRoot={"const": True},
        runAsUser={"type": "integer"},
        runAsGroup={"type": "integer"},
        fsGroup={"type": "integer"},
        seccompProfile=object_schema("type", type={"enum": ["RuntimeDefault", "Localhost", "Unconfined"]}),
    ),
    containers=list_schema(_CONTAINER),
    volumes=list_schema(_VOLUME),
)
_JOB = object_schema(
    "backoffLimit activeDeadlineSeconds template",
    backoffLimit={"type": "integer", "minimum": 0},
    activeDeadlineSeconds={"type": "integer", "minimum": 1},
    template=object_schema("spec", spec=_POD),
)
_COUNT = {"type": "integer", "minimum": 0}
SCHEMAS = {
    "ConfigMap": object_schema(
        "apiVersion kind metadata data",
        apiVersion={"const": "v1"},
        metadata=_METADATA,
        data={"type": "object", "additionalProperties": _TEXT},
    ),
    "PersistentVolumeClaim": object_schema(
        "apiVersion kind metadata spec",
        apiVersion={"const": "v1"},
        metadata=_METADATA,
        spec=object_schema(
            "accessModes resources",
            accessModes=list_schema({"enum": ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]}),
            resources=object_schema("requests", requests=_QUANTITIES),
        ),
    ),
    "CronJob": object_schema(
        "apiVersion kind metadata spec",
        apiVersion={"const": "batch/v1"},
        metadata=_METADATA,
        spec=object_schema(
            "schedule jobTemplate",
            "concurrencyPolicy startingDeadlineSeconds successfulJobsHistoryLimit failedJobsHistoryLimit",
            schedule={"type": "string", "pattern": r"^(\S+ ){4}\S+$"},
            concurrencyPolicy={"enum": ["Allow", "Forbid", "Replace"]},
            startingDeadlineSeconds=_COUNT,
            successfulJobsHistoryLimit=_COUNT,
            failedJobsHistoryLimit=_COUNT,
            jobTemplate=object_schema("spec", spec=_JOB),
        ),
    ),
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_manifest_matches_the_kubernetes_schema(kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[kind])
    Draft202012Validator(SCHEMAS[kind]).validate(_documents()[kind])


def test_parts_of_the_manifest_match() -> None:
    documents = _documents()
    assert set(documents) == set(SCHEMAS)
    pod = documents["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == set(volumes)
    assert volumes["profiles"]["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    claim = volumes["state"]["persistentVolumeClaim"]["claimName"]
    assert claim == documents["PersistentVolumeClaim"]["metadata"]["name"]
    # The Containerfile has the same values.
    image = (DOCS.parent / "Containerfile").read_text("utf-8")
    user = pod["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in image
    assert f"VOLUME {mounts['state']}\n" in image
    assert 'ENTRYPOINT ["synadmin"]' in image
    (config,) = (variable["value"] for variable in container["env"] if variable["name"] == "XDG_CONFIG_HOME")
    assert mounts["profiles"] == f"{config}/synadmin"
    for text in documents["ConfigMap"]["data"].values():
        assert f"cat {mounts['tokens']}/" in text


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    with running("--rooms", "20", "--users", "5") as club, running("--rooms", "60", "--users", "5") as school:
        yield {"club": club, "school": school}


def _ansible_files() -> tuple[dict[str, str], list[str]]:
    profiles = {f"{item['key']}.env": rendered("profile.env.j2", item=item) for item in _items()}
    (command,) = re.findall(r"^ExecStart=\S+ (.+)$", _drop_in(), re.MULTILINE)
    return profiles, shlex.split(command)


def _kubernetes_files() -> tuple[dict[str, str], list[str]]:
    documents = _documents()
    pod = documents["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return documents["ConfigMap"]["data"], pod["containers"][0]["args"]


@pytest.mark.parametrize("files", [_ansible_files, _kubernetes_files])
def test_fleet_files_audit_both_servers(
    synadmin: Synadmin,
    servers: dict[str, str],
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: Any,  # noqa: ANN401  one of the two functions above
) -> None:
    profiles, command = files()
    folder = work / "etc" / "synadmin"
    folder.mkdir(parents=True)
    for name, url in servers.items():
        (work / name).write_text(f"{TOKEN}\n", "utf-8")
        (work / name).chmod(0o600)
        text = profiles[f"{name}.env"].replace(CREDENTIALS, str(work)).replace("/run/tokens", str(work))
        path = folder / f"{name}.env"
        path.write_text(re.sub(r"https://matrix\.\w+\.example", url, text), "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(work / "etc"))
    state = re.compile(r"\$\{STATE_DIRECTORY\}|/var/lib/synadmin")
    words = [state.sub(str(work), word) for word in command]
    result = synadmin(*words)
    assert (result.code, result.stderr) == (10, "")
    assert "(profile club)" in result.stdout
    assert "(profile school)" in result.stdout
    assert {path.name for path in work.glob("audit.*")} == {"audit.club.json", "audit.school.json"}
