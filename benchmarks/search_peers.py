"""normgraft's search beside Operon's and Kozax's, on the same samples (x, y).

  python3.12 -m venv peers && peers/bin/pip install -r benchmarks/peers-requirements.txt
  peers/bin/python benchmarks/search_peers.py --program build/release/bin/search_samples \\
      --mappings examples/deit_tiny.ngm --seconds 5,20 --json search_peers.json

For every site, time and seed, normgraft and Operon, without and with local search, run in turn for the same wall time
on the same threads. All expressions are brought to one form, counted and evaluated in float64 by peer_expressions.py,
with the offset and the coefficient around them as found, fitted anew, and left out; a front's hypervolume is that of
its points of at most MAX_NODES nodes over (nodes, 1 - R^2).

Kozax runs its published settings on fewer samples and sites, and normgraft as many generations as it needs to reach the
same mean squared error. Prints a section of Markdown; --json keeps every front. Run it on an idle machine.
"""

import argparse
import contextlib
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from peer_expressions import affine_form, count_length, count_nodes, evaluate, rescaled_trees, tree

MAX_NODES = 20
PRIMITIVES = "+,-,*,/,min,max,abs,square,tanh"
OPERON_SYMBOLS = "add,sub,mul,div,fmin,fmax,abs,square,tanh,constant,variable"
LOCAL_SEARCH = {"Operon": 0, "Operon, local search": 5}  # Levenberg-Marquardt iterations for every individual
PRICED = "constant x + - * / min max neg abs square clip tanh sigmoid erf sqrt rsqrt exp log exp2 log2".split()  # by a cost profile
TAIL_PENALTY = 0.005
UNLIMITED = 10**12
MEASURES = {
    "straight line": "1 - R^2 up to that of the best straight line",
    "constant": "1 - R^2 up to 1, that of the best constant",
    "length": "as the first, but over Operon's length, where a variable and its coefficient are one node",
    "logarithm": "as the first, but of log10(1 - R^2), for what happens near the ceiling",
}


# Samples and fronts


def read_samples(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([float(row["x"]) for row in rows]), np.array([float(row["y"]) for row in rows])


def judged(f, x, y):
    """A tree with the figures by which all engines are compared."""
    with np.errstate(all="ignore"):
        mse = float(np.mean((evaluate(f, x) - y) ** 2))
    return {"nodes": count_nodes(f), "length": count_length(f), "mse": mse, "error": mse / float(np.var(y)), "tree": f}


def judged_front(expressions, x, y):
    """All that can be read off a front: each expression, and its core under the best scaling of each kind."""
    points = [judged(f, x, y) for expression in expressions for f in rescaled_trees(expression, x, y)]
    return [point for point in points if point["nodes"] <= MAX_NODES and np.isfinite(point["mse"])]


def most_accurate(expressions, x, y):
    """The expression of least mean squared error, as found."""
    points = [judged(tree(affine_form(expression)), x, y) for expression in expressions]
    return min(points, key=lambda point: point["mse"] if np.isfinite(point["mse"]) else math.inf)


def hypervolume(points, worst_error):
    """The area that points (size, error) dominate below MAX_NODES + 1 and `worst_error`."""
    area, best = 0.0, worst_error
    for size, error in sorted(points):
        if error < best:
            area += (best - error) * (MAX_NODES + 1 - size)
            best = error
    return area


def hypervolumes(front, x, y):
    line = float(np.mean((np.polyval(np.polyfit(x, y, 1), x) - y) ** 2) / np.var(y))
    points = [(point["nodes"], point["error"]) for point in front]
    return {"straight line": hypervolume(points, line), "constant": hypervolume(points, 1.0),
            "length": hypervolume([(point["length"], point["error"]) for point in front], line),
            "logarithm": hypervolume([(size, math.log10(error)) for size, error in points], math.log10(line))}


# The engines


def run_normgraft(arguments, samples, *options):
    command = [arguments.program, "search", samples, "--max-nodes", MAX_NODES, "--threads", arguments.threads,
               "--seeds", arguments.threads, *options]
    return json.loads(subprocess.run(map(str, command), check=True, capture_output=True, text=True).stdout)


def normgraft(arguments, samples, seconds, seed):
    """For a wall time, on the primitives that Operon has too, with nodes as the cost."""
    result = run_normgraft(arguments, samples, "--seconds", seconds, "--generations", 100_000, "--seed", seed,
                           "--function-set", PRIMITIVES, "--profile", arguments.profile,
                           "--population", arguments.population, "--search-bins", arguments.search_bins)
    expressions = [point["expression"] for point in result["front"]]
    return {"seconds": result["seconds"], "evaluations": result["evaluations"], "expressions": expressions}


def operon(arguments, samples, seconds, seed, iterations):
    """NSGA-II on error and length until its own time limit, with pyoperon's defaults for everything else."""
    from pyoperon.sklearn import SymbolicRegressor

    class Regressor(SymbolicRegressor):
        """Keeps the evaluators of the single objectives, whose counters the regressor does not report."""

        def _init_evaluator(self, *options):
            evaluator = SymbolicRegressor._init_evaluator(*options)
            self.evaluators = [*getattr(self, "evaluators", []), evaluator]
            return evaluator

    x, y = read_samples(samples)
    regressor = Regressor(allowed_symbols=OPERON_SYMBOLS, objectives=["r2", "length"], optimizer_iterations=iterations,
                          max_length=arguments.operon_length, population_size=arguments.operon_population,
                          generations=UNLIMITED, max_evaluations=UNLIMITED, max_time=seconds,
                          n_threads=arguments.threads, random_state=seed)
    start = time.perf_counter()
    regressor.fit(x[:, None], y)
    elapsed = time.perf_counter() - start
    local = regressor.stats_["residual_evaluations"] + regressor.stats_["jacobian_evaluations"]
    expressions = [regressor.get_model_string(model["tree"], 17, ["x"]) for model in regressor.pareto_front_]
    return {"seconds": elapsed, "evaluations": regressor.evaluators[0].ResidualEvaluations + local,
            "generations": regressor.stats_["generations"], "expressions": expressions}


def published_kozax():
    """Kozax with the settings of arXiv 2605.14047; its generations are those of Kozax.run."""
    import jax.numpy as jnp
    from jax import vmap
    from jax.nn import sigmoid
    from kozax.genetic_programming import GeneticProgramming

    class Fitness:
        n_objectives = 1

        def __call__(self, candidate, data, tree_evaluator):
            x, y, far = data
            values = vmap(tree_evaluator, in_axes=[None, 0])
            error = jnp.mean(jnp.square(values(candidate, x)[:, 0] - y))
            return error + TAIL_PENALTY * jnp.mean(jnp.square(values(candidate, far)[:, 0]))

    operators = [
        {"string": "+", "fn": jnp.add, "arity": 2, "prob": 0.28, "flops": 1.0},
        {"string": "*", "fn": jnp.multiply, "arity": 2, "prob": 0.26, "flops": 1.0},
        {"string": "neg", "fn": jnp.negative, "arity": 1, "prob": 0.08, "flops": 0.0},
        {"string": "tanh", "fn": jnp.tanh, "arity": 1, "prob": 0.20, "flops": 23.0},
        {"string": "sigmoid", "fn": sigmoid, "arity": 1, "prob": 0.10, "flops": 22.0},
        {"string": "clip5", "fn": lambda a: jnp.clip(a, -5.0, 5.0), "arity": 1, "prob": 0.08, "flops": 0.0},
    ]
    return GeneticProgramming(num_generations=1, population_size=500, fitness_function=Fitness(),
                              operator_list=operators, variable_list=[["x"]], max_init_depth=4, max_nodes=MAX_NODES,
                              complexity_objective=True, tournament_size=7, constant_optimization=True,
                              constant_optimization_steps=10)


class CompilationClock:
    """Sums the time that JAX reports for lowering and compiling."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self, event, seconds, **_):
        if event.endswith(("jaxpr_to_mlir_module_duration", "backend_compile_duration")):
            self.seconds += seconds


class Kozax:
    """Kozax on samples of one shape: the first of its runs compiles most of it."""

    def __init__(self, threads):
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={threads}"
        import jax

        self.clock = CompilationClock()
        jax.monitoring.register_event_duration_secs_listener(self.clock)
        with contextlib.redirect_stdout(sys.stderr):
            self.program = published_kozax()

    def run(self, samples, generations, seed):
        """GeneticProgramming.fit without its printing; times exclude what was compiled meanwhile."""
        import jax
        import jax.numpy as jnp

        x, y = read_samples(samples)
        far = 2 * np.abs(x).max()
        data = tuple(jnp.asarray(values, jnp.float32) for values in (x[:, None], y, np.array([[-far], [far]])))
        start, compiled = time.perf_counter(), self.clock.seconds
        key, first = jax.random.split(jax.random.PRNGKey(seed))
        self.program.reset()
        population = self.program.initialize_population(first)
        for _ in range(generations):
            key, evaluation, variation = jax.random.split(key, 3)
            fitness, population = self.program.evaluate_population(population, data, evaluation)
            population = self.program.evolve_population(population, fitness, variation)
        jax.block_until_ready(population)
        elapsed, compiling = time.perf_counter() - start, self.clock.seconds - compiled
        expressions = [self.program.tree_to_string(candidate[0]) for candidate in self.program.pareto_front[1]]
        return {"seconds": elapsed - compiling, "compile_seconds": compiling, "expressions": expressions}


# The comparisons


def compare_operon(arguments, samples, seconds, seed):
    """One turn of each engine: front, hypervolumes, time and evaluations."""
    x, y = read_samples(samples)
    runs = {"normgraft": normgraft(arguments, samples, seconds, seed)}
    for name, iterations in LOCAL_SEARCH.items():
        runs[name] = operon(arguments, samples, seconds, seed, iterations)
    for run in runs.values():
        run["front"] = judged_front(run.pop("expressions"), x, y)
        run["hypervolume"] = hypervolumes(run["front"], x, y)
        run["best_error"] = min(point["error"] for point in run["front"])
    return {"samples": samples.stem, "limit": seconds, "seed": seed, "runs": runs}


def normgraft_until(arguments, samples, target, seed):
    """The shortest of runs of 1, 2, 4, ... generations that reaches the mean squared error; None beyond the last."""
    x, y = read_samples(samples)
    for doublings in range(12):
        result = run_normgraft(arguments, samples, "--function-set", "paper", "--tail-penalty", TAIL_PENALTY,
                               "--generations", 2**doublings, "--search-bins", arguments.search_bins, "--seed", seed)
        best = most_accurate([point["expression"] for point in result["front"]], x, y)
        if best["mse"] <= target:
            return {"seconds": result["seconds"], "generations": 2**doublings, "best": best}
    return None


def compare_kozax(arguments, kozax, samples, seed):
    x, y = read_samples(samples)
    peer = kozax.run(samples, arguments.kozax_generations, seed)
    best = most_accurate(peer.pop("expressions"), x, y)
    return {"samples": samples.stem, "seed": seed, "kozax": peer | {"best": best},
            "normgraft": normgraft_until(arguments, samples, best["mse"], seed)}


def compare_all_with_kozax(arguments, files):
    """One row a file, after a warm-up of two generations whose wall time is the cost of the first call."""
    start = time.perf_counter()
    kozax = Kozax(arguments.threads)
    kozax.run(files[0], 2, seed=0)
    first_call = time.perf_counter() - start
    return {"first_call_seconds": first_call,
            "rows": [compare_kozax(arguments, kozax, file, seed=1) for file in files]}


# The report


def ratio(a, b):
    return a / b if b else float("nan")


def by_site(turns, limit, figure):
    """The mean over seeds of a figure of a turn, for each site."""
    values = {}
    for turn in turns:
        if turn["limit"] == limit:
            values.setdefault(turn["samples"], []).append(figure(turn["runs"]))
    return {site: statistics.mean(of_seeds) for site, of_seeds in values.items()}


def hypervolume_ratios(turns, limit, peer, measure):
    ours = by_site(turns, limit, lambda runs: runs["normgraft"]["hypervolume"][measure])
    theirs = by_site(turns, limit, lambda runs: runs[peer]["hypervolume"][measure])
    return {site: ratio(ours[site], theirs[site]) for site in ours}


def summary_row(turns, limit, peer):
    ratios = [list(hypervolume_ratios(turns, limit, peer, measure).values()) for measure in MEASURES]
    return [limit, peer, *(f"{statistics.mean(values):.3f} ({min(values):.3f})" for values in ratios)]


def points_seen(arguments, name):
    """The points of one evaluation; normgraft makes two of each bin that joins several samples, at most."""
    return min(2 * arguments.search_bins, arguments.bins) if name == "normgraft" else arguments.bins


def speed_row(arguments, turns, limit, name):
    seconds = by_site(turns, limit, lambda runs: runs[name]["seconds"])
    rates = by_site(turns, limit, lambda runs: runs[name]["evaluations"] / runs[name]["seconds"])
    rate, points = statistics.mean(rates.values()), points_seen(arguments, name)
    return [limit, name, f"{statistics.mean(seconds.values()):.2f}", f"{rate:,.0f}", points,
            f"{rate * points / 1e6:,.0f}"]


def site_rows(turns, limit):
    errors = {name: by_site(turns, limit, lambda runs, name=name: runs[name]["best_error"])
              for name in ["normgraft", *LOCAL_SEARCH]}
    ratios = {peer: hypervolume_ratios(turns, limit, peer, "straight line") for peer in LOCAL_SEARCH}
    return [[limit, site, *(f"{errors[name][site]:.2e}" for name in errors),
             *(f"{ratios[peer][site]:.3f}" for peer in ratios)] for site in errors["normgraft"]]


def kozax_row(comparison):
    peer, ours = comparison["kozax"], comparison["normgraft"]
    row = [comparison["samples"], f"{peer['best']['error']:.2e}", f"{peer['compile_seconds']:.1f}",
           f"{peer['seconds']:.2f}"]
    if ours is None:
        return [*row, "not reached", "", ""]
    return [*row, f"{ours['seconds']:.3f}", ours["generations"], f"{ratio(peer['seconds'], ours['seconds']):.0f}"]


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def operon_settings(arguments):
    return f"""### Beside Operon

normgraft has a population of {arguments.population}, looks at no more than {arguments.search_bins} bins of the
samples, and its front is that of {arguments.threads} searches at once. Operon runs NSGA-II on R^2 and length on all
samples, with a population of {arguments.operon_population}, at most {arguments.operon_length} nodes of its own count,
and its own time limit; local search is {LOCAL_SEARCH["Operon, local search"]} iterations of Levenberg-Marquardt for
every individual; all else is as pyoperon has it. Both draw from {PRIMITIVES}, x and constants.

Nodes are functions, x and constants, after folding constants: c * x is three and a * f + b adds four. Every
expression counts as found, and with a and b fitted anew or left out. Hypervolumes reach up to {MAX_NODES + 1} nodes
and

"""


def operon_section(arguments, turns):
    limits, engines = arguments.seconds, ["normgraft", *LOCAL_SEARCH]
    ratios = [summary_row(turns, limit, peer) for limit in limits for peer in LOCAL_SEARCH]
    speeds = [speed_row(arguments, turns, limit, name) for limit in limits for name in engines]
    sites = [row for limit in limits for row in site_rows(turns, limit)]
    return "".join([
        operon_settings(arguments),
        *(f"- **{name}**: {meaning}.\n" for name, meaning in MEASURES.items()),
        "\nHypervolume, normgraft / Operon, mean over sites (least):\n\n",
        table(["s", "peer", *MEASURES], ratios),
        "\nEvaluations count every residual and every Jacobian. They are not of equal size: normgraft's are over the "
        "points of its joined bins, given as the most they can be, Operon's over all samples.\n\n",
        table(["s", "engine", "wall s", "evaluations/s", "points", "million points/s"], speeds),
        "\nLeast 1 - R^2, and ratio of hypervolumes (straight line), for each site:\n\n",
        table(["s", "site", *engines, *(f"ratio to {peer}" for peer in LOCAL_SEARCH)], sites)])


def kozax_section(arguments, comparisons):
    header = ["site", "Kozax 1 - R^2", "compiling s", "Kozax s", "normgraft s", "generations", "times faster"]
    return f"""### Beside Kozax

Kozax has the settings of arXiv 2605.14047: population 500, {arguments.kozax_generations} generations, at most
{MAX_NODES} nodes, first depth 4, tournament 7, 10 steps on constants, the published operators and weights, error +
{TAIL_PENALTY} mean f(+-2 max|x|)^2 and FLOPs as objectives; {arguments.kozax_bins} samples of equal mass; one CPU
device of JAX a thread. Its first call, of two generations, took {comparisons["first_call_seconds"]:.0f} s. The times
below are those of later calls, without what JAX reports for compiling in them, stated beside. normgraft has the
function set paper, the same guard and samples, and runs of 1, 2, 4, ... generations: the time is that of the first
that reaches Kozax's least mean squared error.

{table(header, [kozax_row(comparison) for comparison in comparisons["rows"]])}"""


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def settings(arguments):
    return {"versions": {name: version(name) for name in ("pyoperon", "kozax", "jax", "numpy")},
            "processor": processor(), "threads": arguments.threads, "seconds": arguments.seconds,
            "seeds": arguments.seeds, "bins": arguments.bins, "population": arguments.population,
            "search_bins": arguments.search_bins, "operon_population": arguments.operon_population,
            "operon_length": arguments.operon_length, "kozax_bins": arguments.kozax_bins,
            "kozax_generations": arguments.kozax_generations, "primitives": PRIMITIVES, "max_nodes": MAX_NODES}


def heading(arguments, sites):
    versions = ", ".join(f"{name} {number}" for name, number in settings(arguments)["versions"].items())
    return (f"## Search beside peers\n\n{len(sites)} sites of {arguments.mappings.name}, the pairs of each as "
            f"{arguments.bins} samples of equal mass; seeds 1 to {arguments.seeds}; {arguments.threads} threads of "
            f"{processor()}; {versions}.\n")


def numbers(text):
    return [int(number) for number in text.split(",")]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the built search_samples")
    parser.add_argument("--mappings", type=Path, required=True)
    parser.add_argument("--sites", help="names separated by commas; every third site unless given")
    parser.add_argument("--seconds", type=numbers, default=[5, 20], help="whole seconds a run, separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bins", type=int, default=2048)
    parser.add_argument("--population", type=int, default=500, help="normgraft's")
    parser.add_argument("--search-bins", type=int, default=256, help="normgraft's")
    parser.add_argument("--operon-population", type=int, default=1000)
    parser.add_argument("--operon-length", type=int, default=14, help="at most, by Operon's own count")
    parser.add_argument("--kozax-sites", type=int, default=3, help="how many of the sites Kozax has")
    parser.add_argument("--kozax-bins", type=int, default=256)
    parser.add_argument("--kozax-generations", type=int, default=50)
    parser.add_argument("--json", type=Path, help="file for every front")
    return parser.parse_args()


def chosen_sites(arguments):
    if arguments.sites:
        return arguments.sites.split(",")
    command = [arguments.program, "sites", arguments.mappings]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[::3]


def dump_samples(arguments, sites, bins, folder):
    """One file of samples for each site."""
    folder.mkdir()
    files = [folder / f"{site}.csv" for site in sites]
    for site, file in zip(sites, files):
        subprocess.run([arguments.program, "dump", arguments.mappings, site, file, "--bins", str(bins)], check=True)
    return files


def write_node_profile(path):
    path.write_text(json.dumps({"name": "nodes", "unit": "nodes", "cost": dict.fromkeys(PRICED, 1)}))


def main():
    arguments = parse_arguments()
    sites = chosen_sites(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments.profile = folder / "nodes.json"
        write_node_profile(arguments.profile)
        files = dump_samples(arguments, sites, arguments.bins, folder / "operon")
        turns = [compare_operon(arguments, file, seconds, seed)
                 for seed in range(1, arguments.seeds + 1) for seconds in arguments.seconds for file in files]
        kozax_sites = sites[:arguments.kozax_sites]
        files = dump_samples(arguments, kozax_sites, arguments.kozax_bins, folder / "kozax")
        comparisons = compare_all_with_kozax(arguments, files) if files else None
    sections = [heading(arguments, sites), operon_section(arguments, turns)]
    if comparisons:
        sections.append(kozax_section(arguments, comparisons))
    print(*sections, sep="\n")
    if arguments.json:
        result = {"settings": settings(arguments), "operon": turns, "kozax": comparisons}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
