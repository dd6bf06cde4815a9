// Exists so that <torch/torch.h> is compiled once and shared by every room that uses LibTorch.
