"""Checks MODEL.onnx with onnx's checker, and runs it in ONNX Runtime on FOLDER/input.raw, a batch of its input.

  onnx_run.py MODEL.onnx FOLDER

Writes FOLDER/output.raw (float32) and FOLDER/facts.json. ONNX Runtime is looked for where Python looks, then in
build/python (scripts/install-dependencies.sh --tests puts it there). With no argument it only imports them.
"""
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "build" / "python"))
import numpy
import onnx
import onnxruntime

NUMBERS = {"tensor(float)": numpy.float32, "tensor(uint8)": numpy.uint8}


def dimensions(value):
    return [each.dim_param or each.dim_value for each in value.type.tensor_type.shape.dim]


def facts_of(model):
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    graph = inferred.graph
    shapes = {value.name: dimensions(value) for value in [*graph.input, *graph.value_info, *graph.output]}
    made = {output for node in graph.node for output in node.output}
    assert made <= shapes.keys(), "a value has no shape"
    pairs = {"QuantizeLinear", "DequantizeLinear"}
    operators = sorted({node.op_type for node in graph.node})
    return {
        "operators": operators,
        "operators beside pairs": [each for each in operators if each not in pairs],
        "dimensions": max(len(shape) for shape in shapes.values()),
        "unknown dimensions": sorted({name for shape in shapes.values() for name in shape if isinstance(name, str)}),
        "inputs": {value.name: dimensions(value) for value in graph.input},
        "outputs": {value.name: dimensions(value) for value in graph.output},
        "opset": [[each.domain, each.version] for each in model.opset_import],
        "producer": [model.producer_name, model.producer_version],
        "metadata": {each.key: each.value for each in model.metadata_props},
        "weights": sorted({each.data_type for each in graph.initializer if len(each.dims) > 1}),
        "pairs": sum(node.op_type == "QuantizeLinear" for node in graph.node),
        "nodes": len(graph.node),
        "raw": all(each.HasField("raw_data") for each in graph.initializer),
    }


def main():
    path, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (folder / "facts.json").write_text(json.dumps(facts_of(model)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (place,) = session.get_inputs()
    values = numpy.fromfile(folder / "input.raw", NUMBERS[place.type]).reshape(-1, *place.shape[1:])
    at_once = place.shape[0] if isinstance(place.shape[0], int) else len(values)
    parts = [session.run(None, {place.name: values[i : i + at_once]})[0] for i in range(0, len(values), at_once)]
    numpy.concatenate(parts).astype(numpy.float32).tofile(folder / "output.raw")


if len(sys.argv) > 1:
    main()
