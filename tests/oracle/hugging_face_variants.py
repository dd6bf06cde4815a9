#!/usr/bin/python3
"""Small networks of Hugging Face's transformers, built, saved and computed by transformers itself.

  hugging_face_variants.py FOLDER     for each variant FOLDER/NAME/ as save_pretrained writes it, with input.f32
                                      [3, 3, H, W] and output.f32: logits, or the class token behind the last norm
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "build" / "transformers"))

import numpy
import torch
from transformers import (DeiTConfig, DeiTForImageClassification, DeiTForImageClassificationWithTeacher, Dinov2Config,
                          Dinov2ForImageClassification, Dinov2Model, ViTConfig, ViTForImageClassification, ViTModel)

SIZES = dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, image_size=24, patch_size=8,
             hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
PREPROCESSOR = {"do_normalize": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2,
                "size": {"height": 24, "width": 24}}


def labels(count):
    return {i: f"class {i}" for i in range(count)}


def variants():
    classes = dict(num_labels=7, id2label=labels(7))
    yield "vit", ViTForImageClassification(ViTConfig(**SIZES, **classes)), {}
    yield "vit-shards", ViTForImageClassification(ViTConfig(**SIZES, **classes)), {"max_shard_size": "30KB"}
    yield "vit-pickle", ViTForImageClassification(ViTConfig(**SIZES, **classes)), {"safe_serialization": False}
    yield "vit-tanh", ViTForImageClassification(ViTConfig(**SIZES, **classes, hidden_act="gelu_pytorch_tanh", layer_norm_eps=0.1)), {}
    yield "vit-without-bias", ViTForImageClassification(ViTConfig(**SIZES, **classes, qkv_bias=False)), {}
    yield "vit-model", ViTModel(ViTConfig(**SIZES)), {}
    yield "deit", DeiTForImageClassification(DeiTConfig(**SIZES, **classes)), {}
    yield "deit-teacher", DeiTForImageClassificationWithTeacher(DeiTConfig(**SIZES, **classes)), {}
    of_dino = {key: value for key, value in SIZES.items() if key != "intermediate_size"}
    yield "dinov2", Dinov2Model(Dinov2Config(**of_dino)), {}
    yield "dinov2-swiglu", Dinov2Model(Dinov2Config(**of_dino, use_swiglu_ffn=True)), {}
    yield "dinov2-classes", Dinov2ForImageClassification(Dinov2Config(**of_dino, **classes)), {}


def output_of(model, pictures):
    with torch.no_grad():
        answer = model(pictures)
    return answer.logits if hasattr(answer, "logits") else answer.last_hidden_state[:, 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.manual_seed(5)
    for name, model, options in variants():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.randn_like(tensor))
        model.eval()
        folder = arguments.folder / name
        model.save_pretrained(folder, **{"safe_serialization": True} | options)
        (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
        pictures = torch.randn(3, 3, 24, 24)
        numpy.asarray(pictures, numpy.float32).tofile(folder / "input.f32")
        numpy.asarray(output_of(model, pictures), numpy.float32).tofile(folder / "output.f32")


if __name__ == "__main__":
    main()
