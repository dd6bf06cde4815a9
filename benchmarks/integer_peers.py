"""The engine of integer programs beside ONNX Runtime's quantisation of DeiT-Tiny, static and dynamic, run in turn.

  python3 -m venv peers && peers/bin/pip install onnxruntime==1.32.0 onnx==1.23.2
  peers/bin/python benchmarks/integer_peers.py build/release/bin/integer_throughput MODEL [--threads N] [--rounds N]

MODEL is the folder of deit_tiny_patch16_224. Debian's python3-torch exports it, as tests/oracle/vit.py computes it;
ONNX Runtime prepares it (quant_pre_process) and quantises it with weights of 8 bits for each channel: activations of
signed and of unsigned bytes as QDQ, of unsigned bytes as QOperator, each calibrated on random pictures, as speed does
not depend on values; and dynamically. The engine runs random programs of the same size, as a graft and with
LayerNorms, or folders. Every measurement is a process of its own. Prints the median pictures a second of each for
batches of 1 and 32 and, of the rounds' ratios, the medians: the graft to each peer, to the best static one, and to the
same program with LayerNorms. Run it on an idle machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ORACLE = Path(__file__).resolve().parent.parent / "tests" / "oracle"
EXPORT = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import vit
model, config = vit.load(sys.argv[2])
pictures = torch.randn(int(sys.argv[4]), *config["pretrained_cfg"]["input_size"])
torch.onnx.export(model, pictures, sys.argv[3], opset_version=17, input_names=["pictures"], output_names=["logits"])
"""
SIZE = (3, 224, 224)


def prepare(model, folder, batch):
    """ONNX files by name: float32 and each way of quantising, of batches of that size."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    import numpy as np

    class Pictures(quantization.CalibrationDataReader):
        def __init__(self):
            random = np.random.default_rng(0)
            self.batches = iter([{"pictures": random.standard_normal((batch, *SIZE), np.float32)} for _ in range(2)])

        def get_next(self):
            return next(self.batches, None)

    exported, prepared = folder / "exported.onnx", folder / "float32.onnx"
    subprocess.run(["/usr/bin/python3", "-c", EXPORT, str(ORACLE), model, str(exported), str(batch)],
                   check=True, capture_output=True)
    quant_pre_process(str(exported), str(prepared))
    files = {"float32": prepared}
    ways = {"int8 QDQ s8s8": (quantization.QuantFormat.QDQ, quantization.QuantType.QInt8),
            "int8 QDQ u8s8": (quantization.QuantFormat.QDQ, quantization.QuantType.QUInt8),
            "int8 QOperator u8s8": (quantization.QuantFormat.QOperator, quantization.QuantType.QUInt8)}
    for name, (form, activations) in ways.items():
        files[name] = folder / (name.replace(" ", "_") + ".onnx")
        quantization.quantize_static(str(prepared), str(files[name]), Pictures(), quant_format=form, per_channel=True,
                                     activation_type=activations, weight_type=quantization.QuantType.QInt8)
    files["int8 dynamic"] = folder / "int8_dynamic.onnx"
    quantization.quantize_dynamic(str(prepared), str(files["int8 dynamic"]), per_channel=True,
                                  weight_type=quantization.QuantType.QInt8)
    return files


def measure(file, threads, batch, repeats=5):
    """The median of pictures a second of an ONNX file."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    pictures = {"pictures": np.random.default_rng(0).standard_normal((batch, *SIZE), np.float32)}
    rates = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        session.run(None, pictures)
        rates.append(batch / (time.perf_counter() - start))
    return statistics.median(rates[1:])


def rate(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["images_per_second"]


def main():
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps({"images_per_second": measure(sys.argv[2], *map(int, sys.argv[3:6]))}))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--graft", default="graft", help="an integer folder, instead of a random program")
    parser.add_argument("--norms", default="norms", help="the same of the network that keeps its LayerNorms")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    arguments = parser.parse_args()

    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for batch in arguments.batches:
            files = prepare(arguments.model, Path(folder), batch)
            repeats = str(max(5, 128 // batch))
            sizes = [str(arguments.threads), str(batch), repeats]
            commands = {"graft": [arguments.program, arguments.graft, *sizes],
                        "norms": [arguments.program, arguments.norms, *sizes]}
            commands |= {name: [sys.executable, __file__, "measure", str(file), *sizes] for name, file in files.items()}
            rates = {name: [] for name in commands}
            for _ in range(arguments.rounds):
                for name, command in commands.items():
                    rates[name].append(rate(command))
            static = [name for name in files if name.startswith("int8 Q")]
            of_peers = [max(each) for each in zip(*(rates[name] for name in static))]
            ratios = {f"graft to {name}": [a / b for a, b in zip(rates["graft"], rates[name])]
                      for name in commands if name != "graft"}
            ratios["graft to the best static one"] = [a / b for a, b in zip(rates["graft"], of_peers)]
            result[f"batch {batch}"] = {
                "pictures a second": {name: round(statistics.median(each), 1) for name, each in rates.items()},
                "ratios": {name: round(statistics.median(each), 3) for name, each in ratios.items()}}
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
