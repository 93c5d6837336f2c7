"""The plan in words: what will be downloaded, how much disk, which tasks."""

from math import ceil
from pathlib import Path
from typing import Any

from lateralization.baselines import oasm
from lateralization.language_models.sizes import BYTES
from lateralization.names import AVERAGE
from lateralization.plan.costs import (
    FIGURES,
    JOINTLY,
    Hours,
    activations_disk,
    estimated_hours,
    fmri_disk,
    gpu_bytes_needed,
    reliability_disk,
    scores_disk,
    shape_of,
    without_scans,
)
from lateralization.plan.layer_choice import fitted_layers
from lateralization.plan.parameters import FIRST
from lateralization.problems import listed
from lateralization.run_plan import LanguagePlan, Model, Parcel, Plan
from lateralization.sources.given_files import KINDS
from lateralization.sources.hub import COMMIT, WITHOUT_SAFETENSORS
from lateralization.wording import plural

UNKNOWN = "unknown until fetched"


def byte_size(n_bytes: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


MOST_LINES = 12
"""Lines of a plan on a terminal: more would hide the progress below them."""


def summary(plan: Plan) -> list[str]:
    """Return the plan in at most ``MOST_LINES`` lines: what, how long, how much disk, notes."""
    hours = _hours(plan)
    lines = _aligned(
        [
            ("languages", _languages(plan)),
            (
                "fits",
                f"{len(plan.fits)}, of {plural(len(plan.models), 'model')} and "
                f"{plural(len(plan.baselines), 'baseline')}",
            ),
            ("time", _time(hours)),
            ("GPU", _gpu(plan, hours)),
            ("download", _download(plan, brief=True)),
            ("disk", _peak(plan)),
            ("in full", "--stage plan"),
        ]
    )
    notes = [f"note: {note}" for note in plan.notes]
    room = MOST_LINES - len(lines)
    if len(notes) > room:
        notes = [*notes[: room - 1], f"note: {len(notes) - room + 1} more, which the report has"]
    return notes + lines


def details(plan: Plan) -> list[str]:
    """Return everything that is known of the plan, and its notes."""
    hours = _hours(plan)
    lines = [
        ("languages", _languages(plan)),
        ("models", _models(plan)),
        ("revisions", _revisions(plan)),
        ("baselines", str(len(plan.baselines))),
        ("fits", str(len(plan.fits))),
        ("download", _download(plan)),
        ("disk for raw BOLD", _raw_disk(plan)),
        ("disk for weights", _weights_disk(plan)),
        ("disk for fMRI", _disk(plan)),
        ("disk at its peak", _peak(plan)),
        ("largest weights", _weights(plan)),
        ("GPU memory", _gpu_memory(plan)),
        ("time", _time(hours)),
        *((f"time of {stage}", _amount(value)) for stage, value in hours.stages.items()),
        ("tasks", _tasks(plan)),
    ]
    return [*(f"note: {note}" for note in plan.notes), *_aligned(lines)]


def _aligned(lines: list[tuple[str, str]]) -> list[str]:
    width = max(len(label) for label, _ in lines)
    return [f"plan: {label:<{width}}  {value}" for label, value in lines]


def price(plan: Plan) -> str:
    """Describe what the controls beyond the study's add to a run; empty where it has none."""
    twins = sum(model.seed > 0 for model in plan.models)
    oasms = sum(entry.kind == oasm.KIND for entry in plan.baselines)
    first = any(item.startswith(FIRST) for item in plan.parameters["subjects"])
    if not (plan.parameters["untrained_twins"] == "yes" or oasms or first):
        return ""
    people = sum(fit.subject != AVERAGE for fit in plan.fits)
    parts = [
        f"{len(plan.fits)} fits, {people} of them to individuals",
        f"{twins} untrained models (which fetch no weights)",
        f"{oasms} draws of oasm",
    ]
    if plan.joint:
        times = JOINTLY[len(plan.joint)]
        parts.append(f"{' + '.join(plan.joint)} jointly (about {times:g} times a fit alone)")
    return (
        f"price of the controls: {', '.join(parts)}; download {_download(plan)}; disk "
        f"{_peak(plan)}; time {_time(_hours(plan))}"
    )


def _amount(hours: float) -> str:
    """Return a duration as people write it."""
    if hours >= 1:
        return f"{hours:.1f} hours"
    minutes = round(60 * hours)
    return plural(minutes, "minute") if minutes else "less than a minute"


def _hours(plan: Plan) -> Hours:
    names = {fit.model for fit in plan.fits} | {model.name for model in plan.models}
    return estimated_hours(plan, {name: n_layers(plan, name) for name in names})


def _time(hours: Hours) -> str:
    """Return the hours that the run takes on two cores, or on two cores and a GPU."""
    device = "two cores and a GPU" if hours.on_gpu else "two cores"
    more = f", and {hours.unknown} models {UNKNOWN}" if hours.unknown else ""
    longest = max(hours.stages, key=lambda stage: hours.stages[stage])
    share = f"most of it {longest}"
    return f"about {_amount(hours.total)} of {device} ({share}){more}"


def _gpu(plan: Plan, hours: Hours) -> str:
    """Return GPU hours, and the memory that the largest model needs."""
    precision = plan.parameters["precision"]
    needs = [
        (need, model.name)
        for model in plan.models
        if (need := gpu_bytes_needed(model, precision)) is not None
    ]
    largest = f"; {max(needs)[1]} needs {byte_size(max(needs)[0])}" if needs else ""
    return f"about {hours.gpu:.1f} GPU hours{largest}" if hours.on_gpu else f"0 GPU hours{largest}"


def _languages(plan: Plan) -> str:
    parts = []
    for language in plan.languages:
        subjects = language.subjects
        individuals = sum(subject.individual for subject in subjects)
        parts.append(
            f"{language.language} ({len(subjects)} subjects used, {individuals} fitted one by "
            f"one{', average fitted' if language.average else ''})"
        )
    return "; ".join(parts)


def _models(plan: Plan) -> str:
    models = plan.models
    hub = sum(model.kind == "hub" for model in models)
    pickled = sum(model.source.startswith(WITHOUT_SAFETENSORS) for model in models)
    note = f"; {pickled} may have pickled weights only" if pickled else ""
    return f"{len(models)} ({hub} from the hub, {len(models) - hub} local{note})"


def _revisions(plan: Plan) -> str:
    """Say which models are pinned to a commit and which are whatever their name means by then."""
    hub = [model for model in plan.models if model.kind == "hub"]
    if not hub:
        return "none: no model is fetched"
    moving = [m for m in hub if not COMMIT.fullmatch(m.revision or "")]
    parts = [f"{len(hub) - len(moving)} pinned to a commit"] if len(moving) < len(hub) else []
    if moving:
        names = listed(f"{m.name} ({m.revision or 'main'})" for m in moving)
        parts.append(f"{len(moving)} resolved at run time, and recorded: {names}")
    return "; ".join(parts)


def remote_files(plan: Plan) -> list[dict[str, Any]]:
    """Return the pinned files that the run fetches."""
    files = []
    for language in plan.languages:
        files += language.annotation["files"]
        for subject in language.subjects:
            files += subject.remote["files"] if subject.remote else []
    return files


def _download(plan: Plan, *, brief: bool = False) -> str:
    """Return what is fetched; ``brief``: without files, languages and kinds."""
    files = remote_files(plan)
    total = sum(file["bytes"] for file in files)
    where: Parcel = plan.languages[0].annotation if plan.languages else {}
    folder = Path(plan.cache_dir, str(where.get("dataset")), str(where.get("version")))
    held = 0
    for file in files:
        path = folder / file["path"]
        held += file["bytes"] if path.is_file() and path.stat().st_size == file["bytes"] else 0
    here = f" ({len(files)} files, {byte_size(held)} already here)"
    parts = [f"{byte_size(total - held)} of data{'' if brief else here}"]
    texts = [f"texts {lang.language}" for lang in plan.languages if _has_url(lang.texts)]
    published = [
        f"published {kind} {lang.language}" for lang in plan.languages for kind in _published(lang)
    ]
    if brief:
        texts, published = ["texts"] * bool(texts), ["files of the study"] * bool(published)
    hub = sum(model.kind == "hub" for model in plan.models)
    others = [*texts, *published]
    others += ["GloVe"] if _has_url(plan.glove) else []
    others += [plural(hub, "model")] if hub else []
    if others:
        parts.append(f"{', '.join(others)}: size {UNKNOWN}")
    return "; ".join(parts)


def _has_url(parcel: Parcel | None) -> bool:
    return bool(parcel and parcel.get("url"))


def _published(language: LanguagePlan) -> list[str]:
    """Return the kinds of file of a language that are fetched from the study."""
    given: dict[str, Parcel | None] = {kind: getattr(language, kind) for kind in KINDS}
    return [kind for kind, parcel in given.items() if parcel and parcel["files"]]


def raw_bytes(plan: Plan) -> list[int]:
    """Return the bytes of raw BOLD that is fetched, subject by subject."""
    remote = [s.remote for lang in plan.languages for s in lang.subjects if s.remote]
    return [sum(file["bytes"] for file in parcel["files"]) for parcel in remote]


def _raw_disk(plan: Plan) -> str:
    """Say how much disk the fetched BOLD takes, kept and not kept."""
    subjects = raw_bytes(plan)
    if not subjects:
        return "none: no BOLD is fetched"
    kept = f"{byte_size(sum(subjects))} with --keep_raw yes"
    return (
        f"{kept}; with --keep_raw no a subject's ({byte_size(max(subjects))} at most) goes when it "
        "is resampled, so what is fetched ahead of resampling"
    )


def _disk(plan: Plan) -> str:
    """Estimate the space that the fMRI stages take, raw BOLD aside."""
    resampled, cleaned = fmri_disk(plan)
    said = (
        f"about {byte_size(resampled + cleaned)} (resampled {byte_size(resampled)}, rest cleaned)"
    )
    parts = [said] if resampled + cleaned or not without_scans(plan) else []
    return ", and ".join(parts + _uncounted(plan))


def _uncounted(plan: Plan) -> list[str]:
    """Name the languages whose BOLD has an unknown size, in one text; none where all is known."""
    names = without_scans(plan)
    return [f"{listed(names)}: unknown until the scans are counted"] if names else []


def peak_bytes(plan: Plan) -> float:
    """Estimate the disk that work folder, cache and results take at most.

    Nothing is removed before the end (unless by ``--keep_raw no`` and ``--keep_models no``) but
    what RELIABILITY puts aside, which counts as if it stayed: the fits may be done by then.
    """
    layers = {fit.model: n_layers(plan, fit.model) for fit in plan.fits}
    weights = sum(BYTES["float32"] * (m.n_parameters or 0) for m in _fetched_models(plan))
    kept_raw = plan.parameters["keep_raw"] == "yes"
    raw = sum(raw_bytes(plan)) if kept_raw else max(raw_bytes(plan), default=0)
    parts = (
        *fmri_disk(plan),
        reliability_disk(plan),
        scores_disk(plan, layers),
        activations_disk(plan),
    )
    return float(sum(parts) + FIGURES + raw + weights * (plan.parameters["keep_models"] == "yes"))


def _peak(plan: Plan) -> str:
    unknown = sum(
        not (model.n_parameters and model.n_layers) for model in plan.models if model.kind == "hub"
    )
    more = f", and what {unknown} models take ({UNKNOWN})" if unknown else ""
    more += "".join(f", and the BOLD of {what}" for what in _uncounted(plan))
    aside = reliability_disk(plan)
    of_it = f" ({byte_size(aside)} of it only while RELIABILITY works)" if aside else ""
    return f"about {byte_size(peak_bytes(plan))}{of_it}{more}, until the work folder is removed"


def _gpu_memory(plan: Plan) -> str:
    """Say what each model needs on a GPU, the largest first."""
    precision = plan.parameters["precision"]
    needs = {model.name: gpu_bytes_needed(model, precision) for model in plan.models}
    known = sorted(((need, name) for name, need in needs.items() if need), reverse=True)
    unknown = sum(need is None for need in needs.values())
    parts = [f"{name} {byte_size(need)}" for need, name in known]
    parts += [f"{unknown} models {UNKNOWN}"] if unknown else []
    return f"{', '.join(parts)} (at {precision}, one long window)" if parts else "no models"


def _weights(plan: Plan) -> str:
    known = [(m.n_parameters, m.name) for m in plan.models if m.n_parameters]
    unknown = len(plan.models) - len(known)
    precision = plan.parameters["precision"]
    parts = []
    if known:
        largest, name = max(known, key=lambda model: model[0])
        parts.append(f"{name} {byte_size(BYTES[precision] * largest)} at {precision}")
    if unknown:
        parts.append(f"{unknown} models {UNKNOWN}")
    return "; ".join(parts) or "none"


def _weights_disk(plan: Plan) -> str:
    """Say how much disk the fetched weights take, kept and not kept."""
    fetched = _fetched_models(plan)
    if not fetched:
        return "none: no weights are fetched"
    known = [model.n_parameters for model in fetched if model.n_parameters]
    if not known:
        return f"{len(fetched)} models {UNKNOWN}"
    low, high = (byte_size(n * sum(known)) for n in (BYTES["float16"], BYTES["float32"]))
    more = f", and {len(fetched) - len(known)} models {UNKNOWN}" * (len(known) < len(fetched))
    return (
        f"{low} to {high} (2 to 4 bytes a weight){more} with --keep_models yes; with --keep_models "
        f"no a model's ({byte_size(BYTES['float32'] * max(known))} at most) go when its "
        "activations are verified, so what is fetched ahead of them"
    )


def _fetched_models(plan: Plan) -> list[Model]:
    """Return the models whose weights are fetched."""
    return [m for m in plan.models if m.kind == "hub" and not m.seed]


def n_layers(plan: Plan, model: str) -> int | None:
    """Return how many layers of a model are fitted; None when that is not known yet."""
    depths: dict[str, int | None] = {m.name: shape_of(m)[0] for m in plan.models}
    depths |= {entry.name: entry.n_layers - 1 for entry in plan.baselines}
    depth: int | None = depths.get(model)
    if depth is None:
        return len(plan.layers) if isinstance(plan.layers, list) else None
    is_model = any(entry.name == model for entry in plan.models)
    last = not is_model or plan.parameters["last_layer"] == "yes"
    return len(fitted_layers(plan.layers, depth, last=last))


def _tasks(plan: Plan) -> str:
    subjects = [s for language in plan.languages for s in language.subjects]
    group = sum(s.group for s in subjects)
    own = sum(s.individual for s in subjects)
    counts = {
        "RESAMPLE": len(subjects),
        "CLEAN": group + own,
        "MODEL": len(plan.models),
        "ACTIVATIONS": sum(len(model.languages) for model in plan.models),
        "BASELINES": sum(len(baseline.languages) for baseline in plan.baselines),
    }
    layers = _encoded(plan)
    known = sum(ceil(n / plan.layers_per_task) for n in layers if n)
    missing = sum(n is None for n in layers)
    encode = f"{known}" if not missing else f"{known} and those of {missing} fits ({UNKNOWN})"
    parts = [f"{stage} {count}" for stage, count in counts.items()]
    return ", ".join([*parts, f"GATHER {len(plan.fits)}", f"ENCODE {encode}"])


def _encoded(plan: Plan) -> list[int | None]:
    """Return the layers of each model and group of subjects that ENCODE fits together."""
    group_of = {
        (language.language, subject): stack[0]
        for language in plan.languages
        for stack in language.stacks
        for subject in stack
    }
    together = {
        (fit.language, group_of.get((fit.language, fit.subject)), fit.model) for fit in plan.fits
    }
    return [n_layers(plan, model) for _language, _group, model in sorted(together, key=str)]
